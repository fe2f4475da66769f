"""Which engines the tests have. An engine named in BOTTLE_REQUIRE_BACKENDS that is absent fails; others are skipped."""

import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bottle_core.errors import BottleError
from tests.support import world as world_module
from tests.support.world import World

ENGINES = ("docker",)


def required() -> frozenset[str]:
    """Names in BOTTLE_REQUIRE_BACKENDS, comma-separated."""
    return frozenset(filter(None, os.environ.get("BOTTLE_REQUIRE_BACKENDS", "").split(",")))


def pytest_configure() -> None:
    # Ignored in a background job of a shell; the tests send it to themselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if unknown := required() - set(ENGINES):
        raise pytest.UsageError(f"BOTTLE_REQUIRE_BACKENDS names {', '.join(sorted(unknown))}: there are no such tests")


@cache
def missing(engine: str) -> str:
    """Why the engine can't be used, or the empty string."""
    from bottle_core.plugins import Plugins

    try:
        backend = Plugins().backend(engine)
        backend.probe()
    except BottleError as error:
        return str(error)
    backend.close()
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for engine in ENGINES:
        if item.get_closest_marker(engine) and (reason := missing(engine)):
            if engine in required():
                pytest.fail(f"{engine} is required: {reason}", pytrace=False)
            pytest.skip(reason)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The outside world of the tests, on this machine."""
    folder: Path = tmp_path_factory.mktemp("world")
    with world_module.running(folder) as running:
        yield running
