"""Who else is on the bottle's network, and whether the kernel would forward for us (NET-002, NET-012)."""

import socket
import time
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

_DISCARD = 9
_PATIENCE = 0.05
_COMPLETE = 2


def present(subnet: IPv4Network, own: IPv4Address) -> list[str]:
    """Addresses of the subnet, our own left out, whose owner answered when the kernel asked who has them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for address in subnet.hosts():
            if address != own:
                try:
                    probe.sendto(b"x", (str(address), _DISCARD))
                except OSError:
                    continue
    time.sleep(_PATIENCE)
    return answered(Path("/proc/net/arp").read_text(encoding="ascii"), subnet)


def answered(table: str, subnet: IPv4Network) -> list[str]:
    """The complete entries of an ARP table that belong to the subnet."""
    fields = [line.split() for line in table.splitlines()[1:]]
    complete = [f[0] for f in fields if len(f) > 3 and int(f[2], 16) & _COMPLETE]
    return [address for address in complete if IPv4Address(address) in subnet]


def forwarding() -> bool:
    """Whether this network namespace forwards IPv4 packets."""
    return Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii").strip() != "0"
