#!/bin/sh
# install.sh VERSION: Claude Code's own program out of its npm package, and no trace of npm.
set -eu
version=$1
dpkg --get-selections | awk '{ print $1 }' | sort >/run/build/before
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends npm
if [ -s /run/build/ca.crt ]; then export NODE_EXTRA_CA_CERTS=/run/build/ca.crt npm_config_cafile=/run/build/ca.crt; fi
npm install --no-audit --no-fund --no-update-notifier --prefix /run/build/npm "@anthropic-ai/claude-code@$version"
case $(uname -m) in
x86_64) platform=linux-x64 ;;
aarch64) platform=linux-arm64 ;;
*) echo "Claude Code has no program for $(uname -m)" >&2; exit 1 ;;
esac
install -m 755 "/run/build/npm/node_modules/@anthropic-ai/claude-code-$platform/claude" /usr/local/bin/claude
# Everything that npm brought goes again.
dpkg --get-selections | awk '{ print $1 }' | sort >/run/build/after
comm -13 /run/build/before /run/build/after | xargs apt-get -q purge -y
/usr/local/bin/claude --version
