"""Removes what a start has created, in order: agent, sidecar, networks; each idempotent (LIFE-001, LIFE-003)."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from bottle_core import labels
from bottle_core.contract import Backend
from bottle_core.errors import BottleError
from bottle_core.spec import BottleSpec

_TRIES = 3
_PAUSE = 0.5


class Leftover(NamedTuple):
    """Something that could not be removed, and the engine's reason."""

    kind: Literal["container", "network"]
    name: str
    because: str


def remove(backend: Backend, spec: BottleSpec) -> list[Leftover]:
    """Removes whatever exists of the bottle; returns what is left, which should be nothing.

    An object of the same name that another start has made is left alone.
    """
    try:
        ours = _owned(backend, spec.agent.labels[labels.START])
    except BottleError as error:
        return [Leftover("container", spec.agent.name, f"the engine doesn't say what there is: {error.because}")]
    containers = [name for name in (spec.agent.name, spec.sidecar.name) if ("container", name) in ours]
    networks = [network.name for network in spec.networks if ("network", network.name) in ours]
    left = [_gone(backend, "container", name) for name in containers]
    with ThreadPoolExecutor(len(spec.networks)) as pool:
        left += pool.map(lambda name: _gone(backend, "network", name), networks)
    return [item for item in left if item is not None]


def _owned(backend: Backend, start: str) -> set[tuple[str, str]]:
    for attempt in range(_TRIES):
        try:
            return {(item.kind, item.name) for item in backend.list_owned() if item.labels.get(labels.START) == start}
        except BottleError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE)
    return set()


def _gone(backend: Backend, kind: Literal["container", "network"], name: str) -> Leftover | None:
    for attempt in range(_TRIES):
        try:
            backend.remove(kind, name)
        except BottleError as error:
            if attempt == _TRIES - 1:
                return Leftover(kind, name, error.because)
            time.sleep(_PAUSE)
        else:
            return None
    return None
