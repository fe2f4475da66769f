"""What an engine or an egress proxy can do. Asking for an undeclared one is refused before anything exists."""

from enum import StrEnum


class Capability(StrEnum):
    """Engine capabilities; each value is the id that manifests, reports and docs use."""

    READ_ONLY_ROOT = "read-only-root"
    PIDS_LIMIT = "pids-limit"
    MEMORY_LIMIT = "memory-limit"
    CPU_LIMIT = "cpu-limit"
    OCI_RUNTIME = "oci-runtime"
    INIT = "init"

    @property
    def sentence(self) -> str:
        """One sentence: "the engine can …"."""
        return _SENTENCES[self]


_SENTENCES = {
    Capability.READ_ONLY_ROOT: "the engine can run a container on a read-only root filesystem",
    Capability.PIDS_LIMIT: "the engine can limit the number of processes in a container",
    Capability.MEMORY_LIMIT: "the engine can limit a container's memory",
    Capability.CPU_LIMIT: "the engine can limit a container's processor time",
    Capability.OCI_RUNTIME: "the engine can run a container with another OCI runtime",
    Capability.INIT: "the engine can put an init process in front of the container's command",
}


class EgressCapability(StrEnum):
    """Egress proxy capabilities; a missing one is shown in the preflight."""

    TLS_INSPECTION = "tls-inspection"
    PORT_CONTROL = "port-control"
    CLOSED_MANAGEMENT = "closed-management"
    RESOLVE_ONCE = "resolve-once"

    @property
    def sentence(self) -> str:
        """One sentence: "the proxy can …"."""
        return _EGRESS_SENTENCES[self]


_EGRESS_SENTENCES = {
    EgressCapability.TLS_INSPECTION: "the proxy can look into TLS with a certificate authority of its own",
    EgressCapability.PORT_CONTROL: "the proxy can refuse CONNECT to ports that were not granted (NET-008)",
    EgressCapability.CLOSED_MANAGEMENT: "the proxy can keep its health and management pages from the agent (NET-009)",
    EgressCapability.RESOLVE_ONCE: "the proxy can resolve a name once, check the address and dial that address",
}
