"""The one egress policy that every proxy carries out, whatever its own semantics are (NET-005 to NET-008)."""

import hashlib
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Literal

from bottle_core.spec import Frozen

DEFAULT_PORTS = (80, 443)

Origin = Literal["default", "manifest", "ssh", "approved"]


class HostRule(Frozen):
    """One granted destination.

    `pattern` is a lower-case IDNA host name or an IPv4 address, which matches only itself, or `*.` and a
    host name, which matches every sub-domain but not the apex. `inspect` False relays TLS untouched.
    `reason` says why the host is in the policy, for the preflight.
    """

    pattern: str
    ports: tuple[int, ...] = DEFAULT_PORTS
    inspect: bool = True
    origin: Origin = "manifest"
    reason: str = ""


class EgressPolicy(Frozen):
    """What may leave the bottle. Everything that is not named is refused.

    `private_grants`: address ranges that are not globally reachable, and may be dialled all the same (NET-007).
    `resolvers`: the DNS servers the proxy asks; empty means the engine's own.
    """

    hosts: tuple[HostRule, ...]
    private_grants: tuple[IPv4Network | IPv6Network, ...] = ()
    resolvers: tuple[IPv4Address, ...] = ()

    @property
    def policy_hash(self) -> str:
        """`sha256:` and the hex digest of the canonical JSON; the same in preflight, record and proxy (NET-013)."""
        return "sha256:" + hashlib.sha256(self.model_dump_json().encode()).hexdigest()
