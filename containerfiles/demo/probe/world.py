"""Where the probe is: the proxy's address, its own network, and what the caller told it."""

import os
import socket
from argparse import Namespace
from ipaddress import IPv4Address, IPv4Interface
from urllib.parse import urlsplit

PREFIX = 29


class World:
    """Facts that several checks need; `url` is the allowed upstream, `outside` addresses that must not answer."""

    def __init__(self, options: Namespace) -> None:
        self.url = options.allowed
        self.host = urlsplit(self.url).hostname or ""
        self.secure = urlsplit(self.url).scheme == "https"
        self.port = urlsplit(self.url).port or (443 if self.secure else 80)
        self.outside = list(dict.fromkeys(options.outside))
        self.names = set(options.names.split(","))
        proxy = urlsplit(os.environ.get("HTTPS_PROXY", ""))
        self.proxy = (proxy.hostname or "", proxy.port or 0)

    @property
    def address(self) -> IPv4Address:
        """This container's own address."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(self.proxy)
            return IPv4Address(sock.getsockname()[0])

    @property
    def strangers(self) -> list[str]:
        """Addresses of the bottle's network that belong neither to us nor to the proxy; the engine's is among them."""
        network = IPv4Interface(f"{self.address}/{PREFIX}").network
        return [str(a) for a in network.hosts() if a != self.address and str(a) != self.proxy[0]]
