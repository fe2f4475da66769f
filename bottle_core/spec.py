"""What must be true of a bottle, in no engine's words. Backends translate it; they never decide.

All models are frozen. Sizes are bytes, times are seconds, addresses are `ipaddress` objects.
"""

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bottle_core.capabilities import Capability


class Frozen(BaseModel):
    """Immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageSource(Frozen):
    """Where an image comes from: a recipe of ours (`recipe`), or a pinned reference to pull (`reference`)."""

    recipe: str = ""
    reference: str = ""


class NetworkSpec(Frozen):
    """A bridge network with IPv4 only.

    `internal`: the host has no address on it, nothing is routed and nothing is resolved (NET-001 to NET-004).
    `egress`: only the sidecar is on it; it reaches the outside through the engine's NAT.
    """

    name: str
    role: Literal["internal", "egress"]
    subnet: IPv4Network
    labels: dict[str, str]


class Attachment(Frozen):
    """A container's place on a network: always a fixed address out of the network's subnet."""

    network: str
    address: IPv4Address


class Tmpfs(Frozen):
    """A memory file system owned by the container's user; always nosuid and nodev."""

    path: str
    size: int
    mode: int = 0o700
    executable: bool = False


class Limits(Frozen):
    """Resource limits; None leaves the engine's default. `cpus` is a number of processors."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


class ContainerSpec(Frozen):
    """What agent and sidecar have in common.

    Always true and therefore no field: no capabilities at all, no new privileges, the engine's default
    seccomp profile, default devices only, no host namespace, IPv6 off, IP forwarding off (SEC-001 to
    SEC-008, NET-012). `env` never holds a secret (SECRET-001). `resolvers` is empty for "resolves nothing";
    None means the engine's own choice (sidecar only).
    """

    name: str
    image: str
    argv: tuple[str, ...]
    env: dict[str, str]
    uid: int
    gid: int
    hostname: str
    workdir: str
    attachments: tuple[Attachment, ...]
    resolvers: tuple[IPv4Address, ...] | None
    tmpfs: tuple[Tmpfs, ...]
    limits: Limits
    labels: dict[str, str]
    read_only_root: bool = True
    runtime: str | None = None

    def required_capabilities(self) -> frozenset[Capability]:
        """The capabilities that an engine must declare before this container may be asked of it."""
        asked = {
            Capability.READ_ONLY_ROOT: self.read_only_root,
            Capability.MEMORY_LIMIT: self.limits.memory is not None,
            Capability.CPU_LIMIT: self.limits.cpus is not None,
            Capability.PIDS_LIMIT: self.limits.pids is not None,
            Capability.OCI_RUNTIME: self.runtime is not None,
        }
        return frozenset(capability for capability, wanted in asked.items() if wanted)


class SidecarSpec(ContainerSpec):
    """The egress proxy: on both networks, its configuration arrives on stdin, its events leave on stdout."""


class AgentSpec(ContainerSpec):
    """The agent: on the internal network only. `argv` starts with the entry script that waits for the grants."""

    tty: bool


class BottleSpec(Frozen):
    """Everything that one start creates; `session` is `<agent>-<5 characters>` and part of every name."""

    session: str
    networks: tuple[NetworkSpec, ...]
    sidecar: SidecarSpec
    agent: AgentSpec
