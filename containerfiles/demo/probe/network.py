"""Ways around the proxy (NET-001 to NET-004, NET-010)."""

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from checks import Check, Result, all_refused
from sockets import ask_all, reach_all, resolve_all
from world import World

# Documentation ranges (RFC 5737, RFC 3849), the cloud metadata service, engines' usual bridges.
_ELSEWHERE = ["198.51.100.7", "192.0.2.7", "2001:db8::7", "fe80::1%eth0"]
_PRIVATE = ["169.254.169.254", "172.17.0.1", "172.18.0.1", "10.88.0.1", "10.0.2.2", "192.168.0.1"]
_HOST_NAMES = ["host.docker.internal", "gateway.docker.internal", "host.containers.internal", "host-gateway"]
_SERVICES = [22, 80, 2375]


def checks(world: World) -> Iterator[Check]:
    """One check a requirement."""
    yield Check("attack", "NET-001", "connect to the internet without the proxy", lambda: _direct(world))
    yield Check("attack", "NET-002", "reach a service of the host", lambda: _host(world))
    yield Check("attack", "NET-003", "resolve a name (libc, DNS over UDP and TCP)", lambda: _names(world))
    yield Check("attack", "NET-010", "send ICMP, raw and packet-level traffic", _raw)


def _direct(world: World) -> Result:
    addresses = [*world.outside, *_ELSEWHERE]
    return all_refused(reach_all([(address, port) for address in addresses for port in (443, 80)]))


def _host(world: World) -> Result:
    targets = [(address, port) for address in (*world.strangers, *_PRIVATE) for port in _SERVICES]
    return all_refused({**reach_all(targets), **resolve_all(_HOST_NAMES)})


def _names(world: World) -> Result:
    # A name that nobody has asked for yet: no cache can know it.
    fresh = f"{secrets.token_hex(6)}.{world.host}"
    lines = Path("/etc/resolv.conf").read_text(errors="replace").splitlines()
    configured = [line.split()[1] for line in lines if line.startswith("nameserver") and ":" not in line]
    servers = (*configured, "127.0.0.11", world.proxy[0], *world.strangers[:1], *world.outside)
    return all_refused({**resolve_all([world.host, fresh]), **ask_all(list(dict.fromkeys(servers)), world.host)})


def _raw() -> Result:
    kinds = {
        "raw ICMP socket": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        "ping socket": (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
        "packet socket": (socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)),
        "raw IP socket": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    }
    return all_refused({name: _opened(*kind) for name, kind in kinds.items()})


def _opened(family: int, kind: int, protocol: int) -> str | None:
    try:
        socket.socket(family, kind, protocol).close()
    except OSError:
        return None
    return "opened"
