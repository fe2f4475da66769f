"""Subnets for bottles out of our own pool, so that the engine's few default networks are no limit.

Choosing is a guess that is likely to be free; the engine's refusal of an overlap is the arbiter between
processes that race (PAR-002). Address roles in a subnet: the first host address is the engine's gateway (on an
internal network nobody has it), the second the sidecar's, the third the agent's.
"""

import random
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple, Self

from bottle_core.errors import NoSubnetError

PREFIX = 29
# Far from what is common: Docker's 172.17-31 and 192.168, Podman's 10.88, Kubernetes' 10.42, 10.43, 10.96, 10.244,
# clouds' 10.0-10.10, and home and office networks, which start low.
DEFAULT_POOL = "10.231.0.0/16"

_ROUTE_UP = 1


class Pool(NamedTuple):
    """A range that is cut into subnets of 8 addresses."""

    network: IPv4Network

    @classmethod
    def parse(cls, text: str) -> Self:
        """`a.b.c.d/n` with n ≤ 28 (two subnets, one bottle), private; raises ValueError with a reason."""
        network = IPv4Network(text)
        if network.prefixlen >= PREFIX:
            raise ValueError(f"{network} is smaller than one bottle needs, a /{PREFIX - 1}")
        if not network.is_private or network.is_loopback or network.is_link_local:
            raise ValueError(f"{network} is not a private range")
        return cls(network)


def sidecar_address(subnet: IPv4Network) -> IPv4Address:
    """The sidecar's address on a bottle's network."""
    return subnet.network_address + 2


def agent_address(subnet: IPv4Network) -> IPv4Address:
    """The agent's address on its internal network."""
    return subnet.network_address + 3


def candidates(
    pool: Pool, used: Iterable[IPv4Network], routed: Iterable[IPv4Network], seed: int
) -> Iterator[IPv4Network]:
    """Free subnets in an order that differs by seed, so that racing processes rarely meet.

    Raises NoSubnetError when there are no more.
    """
    used, routed = list(used), list(routed)
    count = 1 << (PREFIX - pool.network.prefixlen)
    start, stride = _permutation(seed, count)
    taken = clashing = 0
    for index in range(count):
        offset = (start + index * stride) % count * (1 << (32 - PREFIX))
        subnet = IPv4Network((pool.network.network_address + offset, PREFIX))
        if any(subnet.overlaps(other) for other in used):
            taken += 1
        elif any(subnet.overlaps(other) for other in routed):
            clashing += 1
        else:
            yield subnet
    raise NoSubnetError(
        "find a free subnet",
        f"of the {count} subnets of {pool.network}, {taken} are in use by networks of the engine"
        f" and {clashing} clash with a route of this machine",
        "set BOTTLE_SUBNET_POOL to another private range, such as 10.199.0.0/16",
    )


def _permutation(seed: int, count: int) -> tuple[int, int]:
    """A start and an odd stride: `count` is a power of two, so that the walk meets every subnet once."""
    chooser = random.Random(seed)  # noqa: S311  spreads load, guards nothing
    return chooser.randrange(count), chooser.randrange(count) | 1


def host_routes(table: Path = Path("/proc/net/route")) -> list[IPv4Network]:
    """What this machine routes somewhere, the default route left out; empty where there is no such table."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    routes = []
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or not int(fields[3], 16) & _ROUTE_UP:
            continue
        destination, mask = (IPv4Address(bytes.fromhex(fields[index])[::-1]) for index in (1, 7))
        network = IPv4Network((destination, str(mask)), strict=False)
        if network.prefixlen:
            routes.append(network)
    return routes
