"""What an agent kind is: its image, its command line, and what it needs by default. Pure data and functions."""

from abc import ABC, abstractmethod
from ipaddress import IPv4Network, IPv6Network

from bottle_core.policy.egress import HostRule
from bottle_core.spec import Frozen, ImageSource, Limits, Tmpfs

HOME = "/home/agent"
UID = GID = 1000


class AgentRequest(Frozen):
    """What the manifest and the terminal say about one start."""

    prompt: str = ""
    command: tuple[str, ...] = ()
    tty: bool = False


class Credential(Frozen):
    """`host_name` on the host becomes `name` in the bottle, without manifest wiring; a secret."""

    host_name: str
    name: str
    hint: str


class GrantFile(Frozen):
    """A text file that is delivered with the grants; `path` is absolute and inside a writable place."""

    path: str
    content: str
    mode: int = 0o600


class AgentKind(ABC):
    """One kind of agent."""

    name: str
    summary: str
    image: ImageSource
    takes_prompt: bool = False
    """Whether the kind has a use for the manifest's `prompt`."""

    @abstractmethod
    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        """The agent's command line; raises PolicyError or UsageError if the request doesn't fit the kind."""

    def hosts(self) -> tuple[HostRule, ...]:
        """Destinations the kind needs, each with its reason; a bottle can drop them with `"defaults": false`."""
        return ()

    def private_grants(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Addresses of those hosts that are not globally reachable from this machine, and are granted (NET-007)."""
        return ()

    def env(self) -> dict[str, str]:
        """Non-secret variables, beside those that every bottle has."""
        return {}

    def credentials(self) -> tuple[Credential, ...]:
        """Host variables that are granted to this kind when they are set."""
        return ()

    def files(self, request: AgentRequest) -> tuple[GrantFile, ...]:  # noqa: ARG002
        """Files the kind wants in place before it starts."""
        return ()

    def tmpfs(self) -> tuple[Tmpfs, ...]:
        """Writable places beside the home folder and /tmp."""
        return ()

    def limits(self) -> Limits:
        """Limits that apply where the manifest names none."""
        return Limits()
