"""The hooks of the entry-point group `bottle.plugins`; docs/hooks.md has each with its exact signature.

Hooks register and observe. Engine operations are methods of the contract, not hooks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from bottle_core.agents.base import AgentKind
    from bottle_core.egress.base import EgressProxy
    from bottle_core.spec import BottleSpec

PROJECT = "bottle"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class BackendRegistration:
    """A backend by name. `factory` is `module:callable` and is imported only when the backend is used."""

    name: str
    summary: str
    contract: tuple[int, int]
    factory: str


@hookspec
def bottle_register_backends() -> Iterable[BackendRegistration]:  # type: ignore[empty-body]
    """The backends that this plug-in brings."""


@hookspec
def bottle_register_egress() -> "Iterable[EgressProxy]":  # type: ignore[empty-body]
    """The egress proxies that this plug-in brings."""


@hookspec
def bottle_register_agents() -> "Iterable[AgentKind]":  # type: ignore[empty-body]
    """The agent kinds that this plug-in brings."""


@hookspec
def bottle_review_spec(spec: "BottleSpec") -> None:
    """May raise PolicyError to refuse a start; the spec can't be changed."""


@hookspec
def bottle_event(session: str, name: str, detail: dict[str, str]) -> None:
    """Told of every step of a session; an exception here is reported and changes nothing."""
