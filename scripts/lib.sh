# Sourced by the other scripts: messages, questions, root.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }

fail() {
	say "couldn't $1, because: $2"
	[ -z "${3:-}" ] || say "  try: $3"
	exit 69
}

# Root by ourselves, or through sudo; sudo may ask for a password only where somebody can type one.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null 2>&1; then
		fail "run $1 as root" "this user is not root and there is no sudo" "run the command as root once"
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

# agree QUESTION: root and YES=1 agree; otherwise the user is asked, where there is one.
agree() {
	if [ "$(id -u)" -eq 0 ] || [ "${YES:-}" = 1 ]; then return 0; fi
	[ -t 0 ] || return 1
	printf '%s [y/N] ' "$1" >&2
	read -r answer || return 1
	case $answer in y | Y | yes | YES) return 0 ;; *) return 1 ;; esac
}

# packages NAME...: installs Debian packages.
packages() {
	command -v apt-get >/dev/null 2>&1 || fail "install $*" "there is no apt-get here" "install them with this system's own tool"
	say "installing $*"
	log=$(mktemp)
	if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" ||
		{ as_root apt-get -q update &&
			as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"; }; } >"$log" 2>&1 </dev/null; then
		tail -n 15 "$log" >&2
		rm -f "$log"
		fail "install $*" "apt-get failed, see above" "check the package sources of this machine"
	fi
	rm -f "$log"
}
