"""What an egress proxy plug-in is: a sidecar's image and configuration from the policy, and a reader of its log."""

from abc import ABC, abstractmethod
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, NamedTuple

from bottle_core.capabilities import EgressCapability
from bottle_core.policy.egress import EgressPolicy
from bottle_core.spec import Frozen, ImageSource, Tmpfs


class ProxyRequest(Frozen):
    """What a proxy's configuration is made from.

    `extra_ca` is PEM text of authorities that the host trusts beyond the public ones, or "".
    `session` names the bottle in events. The sidecar stands on both subnets.
    """

    session: str
    policy: EgressPolicy
    listen: IPv4Address
    internal_subnet: IPv4Network
    egress_subnet: IPv4Network | None = None
    extra_ca: str = ""


class ProxyProgram(NamedTuple):
    """How the sidecar runs: argv, non-secret environment, memory file systems, and the bytes sent to its stdin.

    `health` is the argv of a command in the sidecar that exits 0 once it serves; empty if its output tells.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    tmpfs: tuple[Tmpfs, ...]
    config: bytes
    port: int
    health: tuple[str, ...] = ()


class Ready(Frozen):
    """The sidecar's word that it serves.

    `policy_hash` is what it enforces (NET-013); `ca_certificate` is PEM text, "" without TLS inspection;
    `trust_store` the same certificate as a Java trust store (PKCS#12, base64), or "";
    `neighbours`: addresses of the internal subnet that answered ARP, None if the proxy can't look (NET-002);
    `forwarding`: whether its network namespace forwards packets, None if the proxy can't look (NET-012).
    """

    policy_hash: str
    ca_certificate: str = ""
    trust_store: str = ""
    neighbours: tuple[IPv4Address, ...] | None = None
    forwarding: bool | None = None


class EgressEvent(Frozen):
    """One decision. `path` has no query values; `bytes_up` and `bytes_down` are body bytes."""

    time: str
    session: str = ""
    seq: int
    decision: Literal["allowed", "blocked", "flagged", "error"]
    rule: str = ""
    reason: str = ""
    method: str = ""
    scheme: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    sni: str = ""
    status: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    ms: int = 0


class EgressProxy(ABC):
    """One kind of egress sidecar. Pure: no engine, no network, no file is touched here."""

    name: str
    summary: str
    image: ImageSource
    capabilities: frozenset[EgressCapability]

    @abstractmethod
    def program(self, request: ProxyRequest) -> ProxyProgram:
        """The sidecar for this policy; the configuration's secrets exist only in the returned bytes."""

    def ready(self, line: bytes) -> Ready | None:  # noqa: ARG002
        """The readiness report if this output line is one. A proxy without one names a health check."""
        return None

    def ready_by_health(self, policy: EgressPolicy) -> Ready:
        """What may be said of a proxy that is known only to be healthy."""
        return Ready(policy_hash=policy.policy_hash)

    @abstractmethod
    def event(self, line: bytes, session: str) -> EgressEvent | None:
        """The decision that this output line reports, or None if it reports none."""
