"""A real Docker engine, a user with a manifest, a bottle that stays, and a look for leftovers after every test."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import missing
from tests.support import inside, leaks
from tests.support.cli import User
from tests.support.inside import Inside
from tests.support.world import World

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine() -> docker.APIClient:
    """The engine, asked without the product."""
    return leaks.api()


@pytest.fixture
def user(tmp_path: Path, world: World) -> User:
    """A user on whose machine the world's authority is trusted."""
    person = User(tmp_path)
    person.variables.update(world.environment())
    return person


@pytest.fixture
def clean(engine: docker.APIClient) -> Iterator[None]:
    """Fails the test if it leaves anything in the engine or in the folder for temporary files."""
    before, files = leaks.owned(engine), leaks.temporary()
    yield
    assert leaks.owned(engine) - before == set()
    assert leaks.temporary() - files == set()


@pytest.fixture(scope="session")
def bottle(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Inside]:
    """One shell bottle for all tests that only look: it may reach allowed.test and *.wild.test of the world."""
    if missing("docker"):
        pytest.skip("no engine")
    person = User(tmp_path_factory.mktemp("bottle"))
    person.variables.update(world.environment())
    person.variables["HOST_SECRET"] = "s3cret-" + "v" * 20
    hosts = (
        *("allowed.test", "*.wild.test", "rebind.test", "metadata.test", "private.test", "mixed.test", "flip.test"),
        *("nowhere.test", "unspecified.test", "ports.test:8443", "redirect.test"),
    )
    egress = world.egress(*hosts)
    person.write(
        {"shared": {"env": {"LITERAL": "plain", "GRANTED": "${HOST_SECRET}"}, "egress": egress}},
        {"looker": {"bottle": "shared", "agent": "shell", "command": inside.COMMAND}},
    )
    with inside.running(person, "looker") as running:
        yield running
