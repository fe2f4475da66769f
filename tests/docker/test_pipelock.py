"""The pipelock sidecar with the real program; what it can't do is written in docs/egress.md and seen here too.

Its image comes from a registry. Without one, and without BOTTLE_PIPELOCK_IMAGE, these tests have nothing to run.
"""

import os
from collections.abc import Iterator

import pytest

from bottle_core.egress.pipelock import IMAGE_VARIABLE, PipelockEgress
from bottle_docker.backend import DockerBackend
from tests.conftest import missing
from tests.docker.test_proxy import RAW
from tests.support import inside
from tests.support.cli import User
from tests.support.inside import Inside
from tests.support.world import World


@pytest.fixture(scope="module")
def bottle(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Inside]:
    if missing("docker"):
        pytest.skip("no engine")
    backend = DockerBackend()
    reference = PipelockEgress().image.reference
    present = backend.image_size(reference) is not None
    because = "" if present else backend.can_pull(reference, 3)
    backend.close()
    if because:
        pytest.skip(f"the image {reference} is not here and can't be pulled: {because}")
    person = User(tmp_path_factory.mktemp("pipelock"))
    person.variables.update(world.environment())
    if IMAGE_VARIABLE in os.environ:
        person.variables[IMAGE_VARIABLE] = os.environ[IMAGE_VARIABLE]
    egress = world.egress("allowed.test", "*.wild.test", "private.test", proxy="pipelock")
    person.write({"b": {"egress": egress}}, {"locked": {"bottle": "b", "agent": "shell", "command": inside.COMMAND}})
    with inside.running(person, "locked") as running:
        yield running


def status(bottle: Inside, request: str) -> int:
    answer: str = bottle.python(RAW, request.encode().hex())
    return int(answer.split(" ", 2)[1]) if answer.startswith("HTTP/") else 0


@pytest.mark.requirement("NET-005")
def test_allowed_hosts_answer(bottle: Inside) -> None:
    assert bottle.curl("http://allowed.test/").out.endswith("\n200")
    assert bottle.curl("https://allowed.test/").out.endswith("\n200")
    assert bottle.curl("https://a.wild.test/").out.endswith("\n200")


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize(
    "name", ["blocked.test", "allowed.test.evil.test", "evil.allowed.test", "wild.test", "198.18.77.1"]
)
def test_other_hosts_do_not(bottle: Inside, name: str) -> None:
    assert status(bottle, f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n") == 403
    assert status(bottle, f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n") == 403


@pytest.mark.requirement("NET-007")
@pytest.mark.parametrize("name", ["private.test", "127.0.0.1", "169.254.169.254"])
def test_private_addresses_do_not(bottle: Inside, name: str) -> None:
    assert status(bottle, f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n") == 403


@pytest.mark.requirement("NET-009")
def test_metrics_do_not_answer_the_agent(bottle: Inside) -> None:
    place = bottle.network
    authority = f"{place['proxy']}:{place['port']}"
    for path in ("/metrics", "/stats"):
        assert status(bottle, f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n") == 404


def test_decisions_are_recorded(bottle: Inside) -> None:
    bottle.curl("http://recorded.test/?secret=hunter2")
    blocked = [event for event in bottle.user.events() if event["host"] == "recorded.test"]
    assert {(event["decision"], event["rule"]) for event in blocked} == {("blocked", "NET-006")}
    assert "hunter2" not in str(bottle.user.events())
