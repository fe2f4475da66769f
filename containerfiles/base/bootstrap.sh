#!/bin/sh
# bootstrap.sh SUITE TAR UID: a minimal root file system of SUITE as a tar file owned by UID. Needs root and debootstrap.
# The mirror is the one that this machine's apt is set up with.
set -eu
PATH=$PATH:/usr/sbin:/sbin
suite=$1 tar=$2 owner=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/bottle-bootstrap.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# Packages of the main archive only: security and updates have suites of other names.
targets() { apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 2>/dev/null; }
mirror=$(targets | awk '$2 !~ /-/ { print $1; exit }')
security=$(targets | awk '$2 ~ /-security$/ { print $1; exit }')
if [ -z "$mirror" ]; then
	echo "apt on this machine has no package source to bootstrap from (run apt-get update once)" >&2
	exit 1
fi

scripts=/usr/share/debootstrap/scripts
script=$scripts/$suite
[ -e "$script" ] || script=$scripts/sid
debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/root" "$mirror" "$script"

root=$work/root
{
	echo "deb $mirror $suite main"
	echo "deb $mirror $suite-updates main"
	[ -z "$security" ] || echo "deb $security $suite-security main"
} >"$root/etc/apt/sources.list"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' >"$root/etc/apt/apt.conf.d/90bottle"
printf 'path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\npath-exclude /usr/share/info/*\n' \
	>"$root/etc/dpkg/dpkg.cfg.d/90bottle"

rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/usr/share/info/*
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/var/cache/debconf/*-old
# What debootstrap copied from this machine.
: >"$root/etc/resolv.conf"
echo bottle >"$root/etc/hostname"
: >"$root/etc/machine-id"

tar --numeric-owner -C "$root" -cf "$tar" .
chown "$owner" "$tar"
