"""Removes what a start has created, in order: agent, sidecar, networks; each idempotent (LIFE-001, LIFE-003)."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

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
    """Removes all of the bottle, whether it exists or not; returns what is left, which should be nothing."""
    left = [_gone(backend, "container", name) for name in (spec.agent.name, spec.sidecar.name)]
    with ThreadPoolExecutor(len(spec.networks)) as pool:
        left += pool.map(lambda network: _gone(backend, "network", network.name), spec.networks)
    return [item for item in left if item is not None]


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
