"""A real Docker engine, a user with a manifest, a bottle that stays, and a look for leftovers after every test."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import docker
import pytest

from bottle_core.policy.egress import EgressPolicy, HostRule
from tests.conftest import missing
from tests.support import inside, leaks
from tests.support import sidecar as sidecar_module
from tests.support import upstreams as upstream_module
from tests.support.cli import User
from tests.support.inside import Inside
from tests.support.sidecar import Sidecar
from tests.support.upstreams import Upstreams
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


@pytest.fixture(scope="session")
def upstreams(world: World) -> Iterator[Upstreams]:
    """Servers that misbehave."""
    with upstream_module.running() as ports:
        yield ports


@pytest.fixture(scope="session")
def policy(world: World, upstreams: Upstreams) -> EgressPolicy:
    """What the sidecar of the tests grants: hosts to look into, hosts to relay, and odd ports."""
    return EgressPolicy(
        hosts=(
            *(HostRule(pattern=name) for name in ("allowed.test", "*.wild.test", "late.flip.test", world.address)),
            HostRule(pattern="xn--bcher-kva.test"),
            HostRule(pattern="closed.test", ports=(9,)),
            HostRule(pattern="raw.test", ports=tuple(upstreams)),
            HostRule(pattern="quiet.test", inspect=False),
            HostRule(pattern="rebind.test", inspect=False),
            HostRule(pattern="quiet.flip.test", inspect=False),
            HostRule(pattern="tunnel.test", ports=(upstreams.echo,), inspect=False),
        ),
        private_grants=(IPv4Network(f"{world.address}/32"),),
        resolvers=(IPv4Address(world.address),),
    )


@pytest.fixture(scope="session")
def sidecar(world: World, policy: EgressPolicy) -> Iterator[Sidecar]:
    """One egress sidecar without a bottle, for the tests that ask it directly."""
    if missing("docker"):
        pytest.skip("no engine")
    with sidecar_module.running(policy, world.ca.read_text(encoding="ascii")) as running:
        yield running
