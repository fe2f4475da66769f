#!/bin/sh
# Last step of a build stage: the agent's user, the certificate store, and nothing left of the build.
set -eu

if [ "${1:-agent}" = agent ]; then
	groupadd --gid 1000 agent
	useradd --uid 1000 --gid 1000 --create-home --home-dir /home/agent --shell /bin/bash agent
	# There is no resolver in a bottle; whoever asks for a name shall hear so at once.
	sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
	# The sidecar's certificate is known only at start, and the root is read-only then: the store points
	# to a place in memory where the image's own roots and that certificate are put together.
	mkdir -p /usr/local/share/bottle
	mv /etc/ssl/certs/ca-certificates.crt /usr/local/share/bottle/ca-certificates.crt
	ln -s /run/bottle/ca-bundle.crt /etc/ssl/certs/ca-certificates.crt
fi

# Nobody in a bottle gains anything from these bits.
find / -xdev -perm /6000 -type f -exec chmod a-s {} +

apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/log/*
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/info/* /usr/share/locale/* /usr/share/lintian /usr/share/bug
rm -rf /root/.cache /root/.npm /root/.config /tmp/* /var/tmp/* /run/build
find / -xdev -name __pycache__ -path '*/dist-packages/*' -prune -exec rm -rf {} +
