"""SECRET-004: with any one protection gone, nothing is granted, nothing is left, and the requirement is named.

Each mutant changes what the real translator asks of the real engine; the start has to notice from inside.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest

import bottle_docker.backend
from bottle_core.cli.command import cli
from bottle_core.cli.outcome import run
from bottle_core.exitcodes import ExitCode
from bottle_docker import translate
from tests.support.cli import User
from tests.support.world import World

Json = dict[str, Any]
Mutation = Callable[[Json], None]


def _network(change: Mutation) -> tuple[str, Callable[..., Json]]:
    original = translate.network

    def mutant(spec: Any) -> Json:
        body = copy.deepcopy(original(spec))
        if body["Internal"]:
            change(body)
        return body

    return "network", mutant


def _agent(change: Mutation) -> tuple[str, Callable[..., Json]]:
    original = translate.agent

    def mutant(spec: Any, *, init: bool) -> Json:
        body = copy.deepcopy(original(spec, init=init))
        change(body)
        return body

    return "agent", mutant


def _sidecar(change: Mutation) -> tuple[str, Callable[..., Json]]:
    original = translate.sidecar

    def mutant(spec: Any, *, init: bool) -> Json:
        body = copy.deepcopy(original(spec, init=init))
        change(body)
        return body

    return "sidecar", mutant


def _set(*path: str, value: Any) -> Mutation:
    def change(body: Json) -> None:
        for key in path[:-1]:
            body = body[key]
        body[path[-1]] = value

    return change


def _open(body: Json) -> None:
    body["Internal"] = False
    body["Options"].clear()


def _on_the_hosts_network(body: Json) -> None:
    body["HostConfig"]["NetworkMode"] = "bridge"
    body["NetworkingConfig"] = {}


Mutants = list[tuple[str, Callable[..., Json]]]

MUTANTS: dict[str, tuple[str, Mutants]] = {
    "the host has an address on the bridge": ("NET-002", [_network(lambda body: body["Options"].clear())]),
    "the network is not internal": ("NET-002", [_network(_open)]),
    "the agent is on the engine's default network": ("NET-001", [_agent(_on_the_hosts_network)]),
    "a resolver": ("NET-003", [_network(_open), _agent(_set("HostConfig", "Dns", value=[World.address]))]),
    "a name for the host": (
        "NET-002",
        [_agent(_set("HostConfig", "ExtraHosts", value=["host.docker.internal:172.17.0.1"]))],
    ),
    "a capability kept": ("SEC-001", [_agent(_set("HostConfig", "CapAdd", value=["NET_RAW"]))]),
    "all of Docker's capabilities": ("SEC-001", [_agent(_set("HostConfig", "CapDrop", value=[]))]),
    "new privileges": ("SEC-002", [_agent(_set("HostConfig", "SecurityOpt", value=[]))]),
    "no seccomp": (
        "SEC-003",
        [_agent(_set("HostConfig", "SecurityOpt", value=["no-new-privileges", "seccomp=unconfined"]))],
    ),
    "root": ("SEC-004", [_agent(_set("User", value="0:0"))]),
    "another group": ("SEC-004", [_agent(_set("HostConfig", "GroupAdd", value=["0"]))]),
    "a writable root": ("SEC-005", [_agent(_set("HostConfig", "ReadonlyRootfs", value=False))]),
    "a folder of the host": ("SEC-008", [_agent(_set("HostConfig", "Binds", value=["/etc:/mnt:ro"]))]),
    "the engine's socket": (
        "SEC-008",
        [_agent(_set("HostConfig", "Binds", value=["/var/run/docker.sock:/var/run/docker.sock"]))],
    ),
    "a device": (
        "SEC-008",
        [
            _agent(
                _set(
                    "HostConfig",
                    "Devices",
                    value=[{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}],
                )
            )
        ],
    ),
    "another host name": ("SEC-009", [_agent(_set("Hostname", value="workstation"))]),
    "a variable too many": ("SECRET-003", [_agent(lambda body: body["Env"].append("AWS_SECRET_ACCESS_KEY=x"))]),
    "a sidecar that forwards": (
        "NET-012",
        [_sidecar(lambda body: body["HostConfig"]["Sysctls"].update({"net.ipv4.ip_forward": "1"}))],
    ),
}


@pytest.mark.requirement("SECRET-004")
@pytest.mark.parametrize("name", list(MUTANTS))
def test_a_bottle_that_is_not_sealed_gets_nothing(
    name: str, user: User, clean: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    requirement, mutants = MUTANTS[name]
    for function, mutant in mutants:
        monkeypatch.setattr(bottle_docker.backend.translate, function, mutant)
    code, out, err = start(user, monkeypatch, capfd)
    assert code == ExitCode.SEAL, err
    assert requirement in err
    assert "granted" not in out
    assert "nothing was granted" in err


def start(user: User, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """`bottle start` in this process, so that a mutant is what runs."""
    user.variables["HOST_SECRET"] = "granted-value"
    user.write(
        {"b": {"env": {"SECRET": "${HOST_SECRET}"}}},
        {"mutant": {"bottle": "b", "agent": "shell", "command": ["printenv", "SECRET"]}},
    )
    for variable, value in user.environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.argv", ["bottle", "start", "--yes", "--manifest", str(user.manifest), "mutant"])
    code = run(cli)
    captured = capfd.readouterr()
    return code, captured.out, captured.err


@pytest.mark.requirement("SECRET-004")
def test_the_same_start_without_a_mutation_is_sealed_and_granted(
    user: User, clean: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start(user, monkeypatch, capfd)[:2] == (0, "granted-value\n")
