"""Which addresses may be dialled (NET-007). Pure but for reading the sidecar's own networks."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from bottle_egress.config import Network

_UP = 1
# IETF protocol assignments (RFC 6890): Python's own table of what is global has changed over its versions.
_NEVER = IPv4Network("192.0.0.0/24")


def refusal(address: IPv4Address, grants: Iterable[Network], own: Iterable[IPv4Network]) -> str:
    """Why this address may not be dialled, or the empty string.

    `own` are the networks the sidecar stands on: the engine's host has an address there, so that no grant opens them.
    """
    if address.is_loopback or address.is_unspecified or address.is_multicast or int(address) == 0xFFFFFFFF:
        return f"{address} is no destination"
    if any(address in network for network in own):
        return f"{address} is on the bottle's own networks"
    if (address.is_global and address not in _NEVER) or any(
        isinstance(grant, IPv4Network) and address in grant for grant in grants
    ):
        return ""
    return f"{address} is not a public address, and not granted"


def own_networks(table: str | None = None) -> list[IPv4Network]:
    """What /proc/net/route shows without a gateway: the networks of our own interfaces."""
    lines = (table if table is not None else Path("/proc/net/route").read_text(encoding="ascii")).splitlines()[1:]
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or not int(fields[3], 16) & _UP or int(fields[2], 16):
            continue
        destination, mask = (IPv4Address(bytes.fromhex(fields[index])[::-1]) for index in (1, 7))
        found.append(IPv4Network((destination, str(mask)), strict=False))
    return found
