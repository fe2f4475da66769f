"""A start as it is shown before anything exists: what the preflight prints, the record keeps and assembly uses."""

from typing import Literal

from bottle_core.agents.base import GrantFile
from bottle_core.policy.egress import EgressPolicy
from bottle_core.spec import Frozen, ImageSource, Limits, Tmpfs

PLAN_SCHEMA = 1


class HostVariable(Frozen):
    """A secret that is read from a variable of the host at delivery."""

    kind: Literal["host"] = "host"
    variable: str


class Question(Frozen):
    """A secret that is asked on the terminal at start."""

    kind: Literal["ask"] = "ask"
    question: str


class Literally(Frozen):
    """A value that stands in the manifest; not a secret."""

    kind: Literal["literal"] = "literal"
    value: str


class EnvGrant(Frozen):
    """One variable of the agent: a name and where its value comes from, never a secret's value."""

    name: str
    source: HostVariable | Question | Literally

    @property
    def secret(self) -> bool:
        """Whether the value must never be shown or stored."""
        return not isinstance(self.source, Literally)


class EngineFacts(Frozen):
    """The engine as the preflight shows it."""

    backend: str
    name: str
    version: str


class ProxyChoice(Frozen):
    """The egress proxy, why it was chosen, and what it can't do (one sentence each)."""

    name: str
    why: str
    lacks: tuple[str, ...] = ()


class Plan(Frozen):
    """Everything one start grants. `argv` is the agent's own command line, without the entry script."""

    schema_version: int = PLAN_SCHEMA
    agent: str
    bottle: str
    kind: str
    manifest: str
    engine: EngineFacts
    image: str
    image_source: ImageSource
    proxy: ProxyChoice
    proxy_image: str
    proxy_image_source: ImageSource
    env: tuple[EnvGrant, ...]
    kind_env: dict[str, str]
    prompt: str
    argv: tuple[str, ...]
    files: tuple[GrantFile, ...]
    tmpfs: tuple[Tmpfs, ...]
    policy: EgressPolicy
    limits: Limits
    unenforced: tuple[str, ...] = ()
    workspace: str = "none"
    warnings: tuple[str, ...] = ()
    tty: bool = False
