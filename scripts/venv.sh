#!/bin/sh
# venv.sh [EXTRA]: makes .venv with bottle in it, editable, also where python3-venv or pip is missing.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh
extra=${1:-}

python=
for candidate in python3 python3.13 python3.12 python3.11; do
	if command -v "$candidate" >/dev/null 2>&1 &&
		"$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
		python=$candidate
		break
	fi
done
[ -n "$python" ] || fail "make .venv" "there is no Python 3.11 or later" "sudo apt-get install python3"

# What is installed depends on this only; the sources themselves are used in place.
stamp=.venv/.bottle-${extra:-run}
wanted=$(cksum <pyproject.toml)
for made in "$stamp" .venv/.bottle-dev; do
	# The development environment has all that is needed to run.
	if [ -x .venv/bin/bottle ] && [ "$(cat "$made" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
done

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
	say "making .venv"
	rm -rf .venv
	if ! "$python" -m venv .venv >/dev/null 2>&1; then
		# Debian keeps ensurepip in a package of its own; that package's pip serves as well.
		rm -rf .venv
		"$python" -m venv --without-pip .venv
		work=$(mktemp -d)
		trap 'rm -rf "$work"' EXIT
		(cd "$work" && apt-get -q download python3-pip-whl >/dev/null 2>&1) || {
			packages python3-pip-whl
			mkdir -p "$work/root/usr/share"
			cp -r /usr/share/python-wheels "$work/root/usr/share/"
		}
		for package in "$work"/*.deb; do
			[ ! -e "$package" ] || dpkg-deb -x "$package" "$work/root"
		done
		wheel=$(ls "$work"/root/usr/share/python-wheels/pip-*.whl)
		PYTHONPATH=$wheel .venv/bin/python -m pip install -q --disable-pip-version-check pip
	fi
fi
say "installing bottle into .venv"
.venv/bin/python -m pip install -q --disable-pip-version-check -e ".${extra:+[$extra]}"
printf '%s' "$wanted" >"$stamp"
