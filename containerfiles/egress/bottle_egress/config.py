"""The one JSON document that arrives on stdin: what to enforce, and where to listen."""

import hashlib
import json
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

Network = IPv4Network | IPv6Network

_POLICY = {"hosts", "private_grants", "resolvers"}
# Of these, origin and reason are for people.
_RULE = {"pattern", "ports", "inspect", "origin", "reason"}


class Rule(NamedTuple):
    """A granted destination; see bottle_core.policy.egress.HostRule."""

    pattern: str
    ports: tuple[int, ...]
    inspect: bool


class Config(NamedTuple):
    """`policy_hash` is computed here, over the policy that is enforced (NET-013)."""

    session: str
    rules: tuple[Rule, ...]
    private_grants: tuple[Network, ...]
    resolvers: tuple[str, ...]
    policy_hash: str
    listen: str
    port: int
    internal_subnet: IPv4Network
    extra_ca: str


def parse(document: bytes) -> Config:
    """Reads the document; raises ValueError or KeyError for anything that isn't one."""
    top: dict[str, Any] = json.loads(document)
    text: str = top["policy"]
    policy: dict[str, Any] = json.loads(text)
    unknown = set(policy) - _POLICY | {part for rule in policy["hosts"] for part in set(rule) - _RULE}
    if unknown:
        # What isn't understood can't be enforced, and the hash would say that it is.
        raise ValueError(f"the policy has unknown parts: {', '.join(sorted(unknown))}")
    return Config(
        session=str(top["session"]),
        rules=tuple(Rule(rule["pattern"], tuple(rule["ports"]), bool(rule["inspect"])) for rule in policy["hosts"]),
        private_grants=tuple(ip_network(grant) for grant in policy["private_grants"]),
        resolvers=tuple(str(IPv4Address(address)) for address in policy["resolvers"]),
        policy_hash="sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        listen=str(IPv4Address(top["listen"])),
        port=int(top["port"]),
        internal_subnet=IPv4Network(top["internal_subnet"]),
        extra_ca=str(top["extra_ca"]),
    )
