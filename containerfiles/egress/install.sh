#!/bin/sh
# install.sh: the sidecar's programs into /opt/bottle, without what only building needs.
set -eu
if [ -s /run/build/ca.crt ]; then export PIP_CERT=/run/build/ca.crt; fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
dpkg --get-selections | awk '{ print $1 }' | sort >/run/build/before
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-venv
python3 -m venv /opt/bottle
/opt/bottle/bin/pip install -q -r /run/build/requirements.txt
site=$(/opt/bottle/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp -r /run/build/bottle_egress "$site/"
# Nobody browses, types or installs here.
/opt/bottle/bin/pip uninstall -q -y urwid tornado pip
rm -rf "$site"/mitmproxy/tools/web "$site"/mitmproxy/tools/console
find /opt/bottle -depth -name tests -type d -exec rm -rf {} +
/opt/bottle/bin/python -m compileall -q "$site" /usr/lib/python3* >/dev/null || true
dpkg --get-selections | awk '{ print $1 }' | sort >/run/build/after
comm -13 /run/build/before /run/build/after | xargs apt-get -q purge -y
/opt/bottle/bin/python -c 'import bottle_egress.proxy'
