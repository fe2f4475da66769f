#!/bin/sh
# engine.sh COMMAND...: runs the command with a Docker engine that this user may use; installs and starts one if none is there.
set -eu
. "$(dirname "$0")/lib.sh"

socket=/var/run/docker.sock
log=/var/log/bottle-dockerd.log

# An engine that the user points at is the user's business.
if [ -n "${DOCKER_HOST:-}${DOCKER_CONTEXT:-}" ]; then exec "$@"; fi

ping() {
	"${PYTHON:-python3}" - "$socket" <<-'PING' 2>/dev/null
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(5)
		s.connect(sys.argv[1])
		s.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
		sys.exit(b"200" not in s.recv(64))
	PING
}

ping_as_root() { as_root test -S "$socket" && as_root "$(command -v python3)" -c "
import socket
s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect('$socket')
s.sendall(b'GET /_ping HTTP/1.0\r\n\r\n'); raise SystemExit(b'200' not in s.recv(64))" 2>/dev/null; }

start() {
	say "starting dockerd"
	if [ -d /run/systemd/system ]; then
		as_root systemctl start docker
	else
		as_root sh -c 'setsid dockerd </dev/null >>"$0" 2>&1 &' "$log"
	fi
	tries=0
	until ping || ping_as_root; do
		tries=$((tries + 1))
		if [ "$tries" -ge 300 ]; then
			as_root tail -n 15 "$log" >&2 || true
			fail "start dockerd" "it did not answer within 60 s" "sudo dockerd"
		fi
		sleep 0.2
	done
}

if ! ping; then
	if ! PATH=$PATH:/usr/sbin:/sbin command -v dockerd >/dev/null 2>&1; then
		agree "There is no Docker engine. Install the package docker.io and start it?" ||
			fail "get an engine" "there is none, and nobody agreed to install one" "YES=1 make …, or install Docker yourself"
		packages docker.io iptables debootstrap
	fi
	[ "$(id -u)" -eq 0 ] || ping_as_root || start
	[ "$(id -u)" -ne 0 ] || start
fi

# Without a registry the base image is made from packages.
if ! PATH=$PATH:/usr/sbin:/sbin command -v debootstrap >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
	packages debootstrap
fi

if ping; then exec "$@"; fi

# The engine runs, and this user may not use it.
user=$(id -un)
if ! getent group docker | cut -d: -f4 | tr , '\n' | grep -qx "$user"; then
	agree "Add $user to the group docker? Its members are as powerful as root on this machine." ||
		fail "use the engine" "$user is not in the group docker" "sudo usermod -aG docker $user, then log in again"
	as_root usermod -aG docker "$user"
fi
# A group that was joined just now counts from the next login on; sg takes it at once.
quoted=
for word; do quoted="$quoted '$(printf %s "$word" | sed "s/'/'\\\\''/g")'"; done
exec sg docker -c "$quoted"
