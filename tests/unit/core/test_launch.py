"""The ordered start on the engine in memory: order, faults, signals, and nothing left."""

import os
import signal
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from bottle_core.contract import Outcome
from bottle_core.errors import (
    BottleError,
    EngineError,
    NoSubnetError,
    PolicyError,
    SealError,
    StepTimeoutError,
    SubnetTakenError,
    TerminatedError,
)
from bottle_core.interrupts import Interrupts
from bottle_core.launch import Step
from bottle_core.session import Terminal
from bottle_core.testing import FakeBackend, FakeContainer, exits
from tests.unit.core.support import IDENTITY, backend, launch, serve

AGENT = f"bottle-{IDENTITY.session}-agent"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Pipes to files: headless."""
    descriptors = [
        os.open(os.devnull, os.O_RDONLY),
        os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT),
        os.open(tmp_path / "err", os.O_WRONLY | os.O_CREAT),
    ]
    yield Terminal(*descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def sleeps(container: FakeContainer) -> int:
    container.ended.wait()
    return 0


def empty(engine: FakeBackend) -> bool:
    return not engine.containers and not engine.networks


def test_the_agent_runs_and_everything_is_gone(tmp_path: Path, terminal: Terminal) -> None:
    engine = backend(exits(7, b"hello\n"))
    assert launch(engine, tmp_path, terminal).run() == 7
    assert (tmp_path / "out").read_bytes() == b"hello\n"
    assert empty(engine)


def test_grants_come_after_observation_and_readiness(tmp_path: Path, terminal: Terminal) -> None:
    steps: list[Step] = []
    launch(backend(), tmp_path, terminal, on_step=steps.append).run()
    assert steps.index(Step.COMPARE) > max(steps.index(Step.OBSERVE), steps.index(Step.READY))
    assert steps.index(Step.DELIVER) > steps.index(Step.COMPARE)
    assert steps[-2:] == [Step.SESSION, Step.REMOVE]


def test_secrets_are_read_only_at_delivery(tmp_path: Path, terminal: Terminal) -> None:
    steps: list[Step] = []
    read_at: list[Step] = []

    def values() -> dict[str, bytes]:
        read_at.append(steps[-1])
        return {"TOKEN": b"x"}

    started = launch(backend(), tmp_path, terminal, on_step=steps.append)
    object.__setattr__(started, "values", values)
    started.run()
    assert read_at == [Step.DELIVER]


@pytest.mark.parametrize("step", list(Step))
def test_a_fault_at_any_step_leaves_nothing(step: Step, tmp_path: Path, terminal: Terminal) -> None:
    engine = backend()

    def fail(at: Step) -> None:
        if at is step:
            raise EngineError("go on", "of the test")

    with pytest.raises(EngineError, match="of the test"):
        launch(engine, tmp_path, terminal, on_step=fail).run()
    assert empty(engine)


_METHODS = ("create_network", "start_sidecar", "create_agent", "attach", "start_agent", "exec", "wait", "image_env")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", _METHODS)
def test_a_fault_of_any_method_leaves_nothing(method: str, when: str, tmp_path: Path, terminal: Terminal) -> None:
    engine = backend()
    original = getattr(engine, method)

    def faulty(*arguments: Any, **options: Any) -> Any:
        if when == "after":
            original(*arguments, **options)
        raise EngineError(f"call {method}", "of the test")

    setattr(engine, method, faulty)
    with pytest.raises(BottleError, match="of the test"):
        launch(engine, tmp_path, terminal).run()
    assert empty(engine)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)])
@pytest.mark.parametrize("step", list(Step))
def test_a_signal_at_any_step_leaves_nothing(
    step: Step, number: signal.Signals, raised: type[BaseException], tmp_path: Path, terminal: Terminal
) -> None:
    engine = backend(exits() if step is Step.REMOVE else sleeps)

    def kill(at: Step) -> None:
        if at is step:
            os.kill(os.getpid(), number)

    with pytest.raises(raised), Interrupts().installed() as interrupts:
        launch(engine, tmp_path, terminal, on_step=kill, interrupts=interrupts).run()
    assert empty(engine)


def test_a_sidecar_with_another_policy_gets_no_bottle(tmp_path: Path, terminal: Terminal) -> None:
    engine = backend(sidecar=serve("sha256:other"))
    agents = _watch(engine)
    with pytest.raises(SealError) as caught:
        launch(engine, tmp_path, terminal).run()
    assert caught.value.requirement == "NET-013"
    assert agents[0].delivered == b""
    assert empty(engine)


def _watch(engine: FakeBackend) -> list[FakeContainer]:
    """Collects the agents that are created."""
    made: list[FakeContainer] = []
    original = engine.create_agent

    def create(spec: Any) -> None:
        original(spec)
        made.append(engine.containers[spec.name])

    engine.create_agent = create  # type: ignore[method-assign]
    return made


def _dies(container: FakeContainer, _config: bytes) -> None:
    container.session.say(b"bad luck\n")
    container.end(1)


def test_a_sidecar_that_ends_or_says_nothing_stops_the_start(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = backend(sidecar=_dies)
    with pytest.raises(EngineError, match="bad luck"):
        launch(engine, tmp_path, terminal).run()
    assert empty(engine)
    monkeypatch.setattr("bottle_core.launch.SIDECAR_TIMEOUT", 0.2)
    silent = backend(sidecar=lambda *_: None)
    with pytest.raises(StepTimeoutError):
        launch(silent, tmp_path / "second", terminal).run()
    assert empty(silent)


def test_a_review_may_refuse_before_anything_exists(tmp_path: Path, terminal: Terminal) -> None:
    engine = backend()

    def refuse(_spec: object) -> None:
        raise PolicyError("start", "the review says no")

    with pytest.raises(PolicyError, match="the review says no"):
        launch(engine, tmp_path, terminal, review=refuse).run()
    assert engine.calls == []


def test_a_taken_subnet_is_followed_by_the_next(tmp_path: Path, terminal: Terminal) -> None:
    engine = backend()
    original = engine.create_network
    refused: list[IPv4Network] = []

    def create(spec: Any) -> None:
        if len(refused) < 3:
            refused.append(spec.subnet)
            raise SubnetTakenError("create it", "it overlaps")
        original(spec)

    engine.create_network = create  # type: ignore[method-assign]
    assert launch(engine, tmp_path, terminal).run() == 0
    assert empty(engine)


def test_no_subnet_left_is_an_error(tmp_path: Path, terminal: Terminal) -> None:
    with pytest.raises(NoSubnetError):
        launch(backend(), tmp_path, terminal, subnets=iter(())).run()


def test_what_cannot_be_removed_is_named(tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bottle_core.cleanup._PAUSE", 0)
    engine = backend()

    def stuck(kind: str, name: str) -> None:
        raise EngineError("remove it", f"{kind} {name} is stuck")

    engine.remove = stuck  # type: ignore[method-assign, assignment]
    with pytest.raises(EngineError, match="is stuck"):
        launch(engine, tmp_path, terminal).run()


def test_objects_of_another_start_with_the_same_name_stay(tmp_path: Path, terminal: Terminal) -> None:
    engine = backend()
    launch(engine, tmp_path, terminal).run()
    other = backend()
    from tests.unit.core.support import assembled

    spec = assembled().spec.agent
    theirs = spec.model_copy(update={"labels": {**spec.labels, "dev.bottle.start": "another"}})
    other.create_agent(theirs)
    with pytest.raises(BottleError):
        launch(other, tmp_path / "second", terminal).run()
    assert list(other.containers) == [AGENT]


def test_an_agent_that_ran_out_of_memory_is_told(tmp_path: Path, terminal: Terminal) -> None:
    engine = backend()
    engine.wait = lambda _name: Outcome(137, oom_killed=True)  # type: ignore[method-assign]
    notes: list[str] = []
    assert launch(engine, tmp_path, terminal, notes=notes).run() == 137
    assert any("memory limit" in note for note in notes)
