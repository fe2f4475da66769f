#!/bin/sh
# test-tools.sh: what the tests use of the system beyond Python and the engine.
set -eu
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
missing=
for pair in ip:iproute2 ps:procps docker:docker.io; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
# shellcheck disable=SC2086  a list of packages
[ -z "$missing" ] || packages $missing
