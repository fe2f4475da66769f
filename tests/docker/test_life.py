"""LIFE-001, LIFE-003, LIFE-004 and PAR-002: however a bottle ends, nothing of it is left, and nothing else is touched."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import bottle_core.cli.start
from bottle_core import identity
from bottle_core.cli.command import cli
from bottle_core.cli.outcome import run
from bottle_core.errors import EngineError
from bottle_core.exitcodes import ExitCode
from bottle_core.launch import Step
from bottle_docker.backend import DockerBackend
from tests.support import inside, leaks
from tests.support.cli import User

pytestmark = pytest.mark.usefixtures("clean")

START = pytest.mark.requirement("LIFE-001")


def in_process(user: User, monkeypatch: pytest.MonkeyPatch, command: list[str], arguments: tuple[str, ...] = ()) -> int:
    """`bottle start` in this process, so that faults can be injected into it."""
    user.variables["HOST_SECRET"] = "granted-value"
    user.write(
        {"b": {"env": {"SECRET": "${HOST_SECRET}"}}},
        {"mortal": {"bottle": "b", "agent": "shell", "command": command}},
    )
    for variable, value in user.environment().items():
        monkeypatch.setenv(variable, value)
    manifest = str(user.manifest)
    monkeypatch.setattr("sys.argv", ["bottle", "start", "--yes", "--manifest", manifest, *arguments, "mortal"])
    return run(cli)


# Ends of the agent


@START
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
        (["/etc"], 126),
    ],
)
def test_the_agents_exit_code_is_ours(user: User, command: list[str], code: int) -> None:
    user.write({"b": {}}, {"mortal": {"bottle": "b", "agent": "shell", "command": command}})
    done = user.start("mortal")
    assert done.code == code, done.err
    outcome = json.loads((user.records()[-1] / "outcome.json").read_text(encoding="utf-8"))
    assert outcome == {"exit_code": code, "error": None}


# Faults


def _tell_that_fails(at: Step) -> Callable[..., None]:
    def tell(_plugins: Any, _session: str, step: str) -> None:
        if step == at:
            raise EngineError("do the step", f"of the fault at {at}", "nothing")

    return tell


@START
@pytest.mark.requirement("LIFE-004")
@pytest.mark.parametrize("step", list(Step))
def test_a_fault_at_a_step(
    step: Step, user: User, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bottle_core.cli.start, "_tell", _tell_that_fails(step))
    assert in_process(user, monkeypatch, ["printenv", "SECRET"]) == ExitCode.ENGINE
    out, err = capfd.readouterr()
    assert err.count("couldn't do the step, because: of the fault at") == 1
    assert "Traceback" not in err
    if step not in (Step.SESSION, Step.REMOVE):
        assert out == ""


_METHODS = ("create_network", "start_sidecar", "create_agent", "attach", "start_agent", "exec", "wait", "image_env")


@START
@pytest.mark.requirement("LIFE-004")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", _METHODS)
def test_a_fault_of_the_engine(
    method: str, when: str, user: User, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    original = getattr(DockerBackend, method)

    def faulty(self: DockerBackend, *arguments: Any, **options: Any) -> Any:
        if when == "after":
            original(self, *arguments, **options)
        raise EngineError(f"call {method}", "the fault was injected")

    monkeypatch.setattr(DockerBackend, method, faulty)
    assert in_process(user, monkeypatch, ["true"]) == ExitCode.ENGINE
    assert f"couldn't call {method}" in capfd.readouterr().err


@START
def test_a_bug_of_ours_cleans_up_too(
    user: User, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(DockerBackend, "start_agent", broken)
    monkeypatch.setenv("TMPDIR", str(user.home))
    monkeypatch.setattr("tempfile.tempdir", str(user.home))
    assert in_process(user, monkeypatch, ["true"]) == ExitCode.BUG
    err = capfd.readouterr().err
    assert "a bug in bottle: ZeroDivisionError" in err
    assert "Traceback" not in err


# Signals


def _tell_that_kills(at: Step, number: signal.Signals) -> Callable[..., None]:
    def tell(_plugins: Any, _session: str, step: str) -> None:
        if step == at:
            os.kill(os.getpid(), number)

    return tell


@START
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
@pytest.mark.parametrize("step", list(Step))
def test_a_signal_at_a_step(
    step: Step, number: signal.Signals, code: int, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bottle_core.cli.start, "_tell", _tell_that_kills(step, number))
    assert in_process(user, monkeypatch, ["sleep", "60" if step is not Step.REMOVE else "0"]) == code


@START
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_agent_runs(number: signal.Signals, code: int, user: User) -> None:
    user.write({"b": {}}, {"mortal": {"bottle": "b", "agent": "shell", "command": inside.COMMAND}})
    with inside.running(user, "mortal") as bottle:
        bottle.process.send_signal(number)
        assert bottle.process.wait(30) == code


@START
@pytest.mark.parametrize("delay", [0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6])
def test_ctrl_c_at_any_moment(delay: float, user: User) -> None:
    user.write({"b": {}}, {"mortal": {"bottle": "b", "agent": "shell", "command": ["sleep", "60"]}})
    process = user.popen("start", "--yes", "--manifest", str(user.manifest), "mortal")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), err
    # The interpreter's own start, before the first line of ours, says what it likes.
    assert b"Traceback" not in err or b"bottle_core" not in err


@START
def test_an_agent_that_ignores_sigterm_is_gone_all_the_same(user: User) -> None:
    command = ["sh", "-c", "trap '' TERM INT HUP; echo here; while :; do sleep 1; done"]
    user.write({"b": {}}, {"stubborn": {"bottle": "b", "agent": "shell", "command": command}})
    process = user.popen("start", "--yes", "--manifest", str(user.manifest), "stubborn")
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert time.monotonic() - begin < 15
    process.communicate()


@START
def test_a_reader_that_goes_away_ends_the_bottle(user: User) -> None:
    user.write({"b": {}}, {"talker": {"bottle": "b", "agent": "shell", "command": ["yes"]}})
    process = user.popen("start", "--yes", "--manifest", str(user.manifest), "talker")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(30)
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


# NET-011


@pytest.mark.requirement("NET-011")
def test_without_its_sidecar_the_agent_has_no_way_out_and_the_session_says_so(
    user: User, engine: Any, world: Any
) -> None:
    user.write(
        {"b": {"egress": world.egress("allowed.test")}},
        {"orphan": {"bottle": "b", "agent": "shell", "command": inside.COMMAND}},
    )
    with inside.running(user, "orphan") as bottle:
        assert bottle.curl("https://allowed.test/").out.endswith("\n200")
        sidecar = engine.containers(filters={"label": ["dev.bottle.agent=orphan", "dev.bottle.role=sidecar"]})[0]
        engine.kill(sidecar["Id"])
        assert bottle.curl("https://allowed.test/", timeout=10).out.endswith("\n000")
        for _ in range(50):
            if "NET-011" in bottle.messages:
                break
            time.sleep(0.1)
        assert "NET-011" in bottle.messages


# LIFE-003


@pytest.mark.requirement("LIFE-003")
def test_what_is_not_ours_is_not_touched(
    user: User, engine: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A name that somebody else has is an error, and theirs stays."""
    fixed = identity.new("mortal")
    monkeypatch.setattr(identity, "new", lambda _agent: fixed)
    name = f"bottle-{fixed.session}-agent"
    image = engine.images(filters={"reference": "bottle/shell"})[0]["Id"]
    theirs = engine.create_container(image, ["sleep", "60"], name=name, labels={leaks.LABEL: fixed.session})
    network = engine.create_network(f"bottle-{fixed.session}-internal")
    try:
        assert in_process(user, monkeypatch, ["true"]) == ExitCode.ENGINE
        assert "already" in capfd.readouterr().err
        assert engine.inspect_container(theirs["Id"])["Name"] == f"/{name}"
        assert engine.inspect_network(network["Id"])["Id"] == network["Id"]
    finally:
        engine.remove_container(theirs["Id"], force=True)
        engine.remove_network(network["Id"])


@pytest.mark.requirement("LIFE-003")
def test_stop_and_remove_may_be_repeated() -> None:
    backend = DockerBackend()
    try:
        backend.stop("bottle-nobody", 1)
        backend.remove("container", "bottle-nobody")
        backend.remove("network", "bottle-nobody")
    finally:
        backend.close()


# PAR


@pytest.mark.requirement("PAR-002")
def test_two_that_race_for_the_last_subnet_end_well(user: User) -> None:
    """The pool has room for one bottle: one wins, or both fail; never a half bottle."""
    user.variables["BOTTLE_SUBNET_POOL"] = "10.233.7.0/28"
    user.write({"b": {}}, {"racer": {"bottle": "b", "agent": "shell", "command": ["sleep", "2"]}})
    results = []

    def race() -> None:
        results.append(user.start("racer"))

    threads = [threading.Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.code for result in results) in ([0, 0], [0, 69], [69, 69])
    assert all("Traceback" not in result.err for result in results)
    assert user.start("racer").code == 0


@pytest.mark.requirement("PAR-002")
def test_several_at_once_are_all_sealed(user: User) -> None:
    user.write({"b": {}}, {"many": {"bottle": "b", "agent": "shell", "command": ["echo", "sealed"]}})
    processes = [user.popen("start", "--yes", "--manifest", str(user.manifest), "many") for _ in range(5)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, outputs
    assert [out for out, _ in outputs] == [b"sealed\n"] * 5


@pytest.mark.requirement("LIFE-004")
def test_a_pool_that_the_host_routes_is_refused(user: User) -> None:
    user.variables["BOTTLE_SUBNET_POOL"] = "172.17.0.0/24"
    user.write({"b": {}}, {"mortal": {"bottle": "b", "agent": "shell", "command": ["true"]}})
    done = user.start("mortal")
    assert done.code == ExitCode.ENGINE
    assert "BOTTLE_SUBNET_POOL" in done.err
    assert subprocess.run(["ip", "route", "show", "172.17.0.0/24"], capture_output=True, check=True).stdout == b""
