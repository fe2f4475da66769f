"""SECRET-001 to SECRET-004: where a granted value is, and where it never is."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bottle_core.environment import DOCUMENTED_NAMES
from tests.support import inside
from tests.support.cli import User
from tests.support.inside import Inside
from tests.support.world import as_root


def places(engine: Any) -> list[str]:
    """Where this engine and its runtime keep what they know about containers, except the layers of images."""
    root = engine.info()["DockerRootDir"]
    return [root, "/var/run/docker", "/run/containerd", "/var/lib/containerd", "/run/docker"]


def on_disk(value: str, engine: Any) -> list[str]:
    """Files of the engine that hold the value; it travels to grep over stdin, so that argv does not hold it."""
    there = [
        path for path in places(engine) if subprocess.run(as_root(["test", "-e", path]), check=False).returncode == 0
    ]
    command = as_root(["grep", "-rlaF", "--devices=skip", "-f", "-", *there])
    done = subprocess.run(command, input=value, capture_output=True, text=True, check=False)
    # What is in a container's memory shows through its mounts; that is where it belongs.
    return [line for line in done.stdout.splitlines() if "/run/bottle" not in line]


def on_argv(value: str) -> list[str]:
    """Processes of this machine with the value on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if value.encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.fixture
def value() -> str:
    return "sk-ant-oat01-" + secrets.token_hex(24)


@pytest.mark.requirement("SECRET-001")
def test_a_secret_is_nowhere_but_in_the_agents_memory(user: User, engine: Any, clean: None, value: str) -> None:
    user.variables["TOKEN_ON_HOST"] = value
    user.write(
        {"b": {"env": {"TOKEN": "${TOKEN_ON_HOST}"}}},
        {"keeper": {"bottle": "b", "agent": "shell", "command": inside.COMMAND}},
    )
    with inside.running(user, "keeper") as bottle:
        assert bottle.run("printenv", "TOKEN").out.strip() == value
        for container in engine.containers(filters={"label": "dev.bottle.agent=keeper"}):
            assert value not in json.dumps(engine.inspect_container(container["Id"]))
            assert value not in json.dumps(engine.diff(container["Id"]) or [])
        for network in engine.networks(filters={"label": "dev.bottle.agent=keeper"}):
            assert value not in json.dumps(engine.inspect_network(network["Id"]))
        assert on_argv(value) == []
        assert on_disk(value, engine) == []
        assert value not in bottle.messages
    assert on_disk(value, engine) == []
    for path in user.home.rglob("*"):
        if path.is_file():
            assert value.encode() not in path.read_bytes(), path


@pytest.mark.requirement("SECRET-001")
def test_the_search_finds_a_secret_that_was_passed_as_a_variable(engine: Any, value: str) -> None:
    """What `docker run -e` does: the test above would see it."""
    image = engine.images(filters={"reference": "bottle/shell"})[0]["Id"]
    made = engine.create_container(image, ["sleep", "60"], environment={"TOKEN": value})
    try:
        assert on_disk(value, engine) != []
    finally:
        engine.remove_container(made, force=True)


VALUES = {
    "PLAIN": "value",
    "SPACES": "  leading and trailing  ",
    "QUOTES": 'it\'s "quoted" `and` $HOME $(id) \\n \\',
    "NEWLINES": "first\nsecond\n\nlast\n",
    "UTF8": "grüße, 世界, 🍾",
    "EMPTY": "",
    "TABS": "a\tb\r\n",
    "LONG": "x" * 65536,
    "LIKE_PROGRAM": "'; touch /tmp/pwned; '",
}


@pytest.mark.requirement("SECRET-002")
def test_values_arrive_exactly(user: User, clean: None) -> None:
    user.variables.update({f"HOST_{name}": text for name, text in VALUES.items()})
    program = "import json, os; print(json.dumps({k: os.environ[k] for k in %r})); print(os.path.exists('/tmp/pwned'))"
    user.write(
        {"b": {"env": {name: f"${{HOST_{name}}}" for name in VALUES}}},
        {"reader": {"bottle": "b", "agent": "shell", "command": ["python3", "-c", program % list(VALUES)]}},
    )
    done = user.start("reader")
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert json.loads(first) == VALUES
    assert second == "False"


@pytest.mark.requirement("SECRET-003")
def test_the_environment_is_exactly_what_was_granted(bottle: Inside) -> None:
    names: list[str] = bottle.python("import json, os; print(json.dumps(sorted(os.environ)))")
    assert {"LITERAL", "GRANTED"} <= set(names)
    # Python adds LC_CTYPE to its own environment.
    assert set(names) - DOCUMENTED_NAMES - {"LITERAL", "GRANTED", "LC_CTYPE"} == set()


@pytest.mark.requirement("SECRET-003")
def test_the_delivery_leaves_nothing_behind(bottle: Inside) -> None:
    assert bottle.run("ls", "-A", "/run/bottle").out.split() == ["ca-bundle.crt", "ca.crt", "truststore.p12"]
    secret = bottle.run("printenv", "GRANTED").out.strip()
    assert secret.startswith("s3cret-")
    assert bottle.run("grep", "-rlsF", secret, "/run", "/tmp", "/home", "/etc", "/var").out == ""


@pytest.mark.requirement("SECRET-001")
def test_the_authoritys_key_is_not_in_the_agents_container(bottle: Inside) -> None:
    assert bottle.shell("grep -rls 'PRIVATE KEY' /run /tmp /home /etc /var /usr/local /opt").out == ""
    assert "BEGIN CERTIFICATE" in bottle.run("cat", "/run/bottle/ca.crt").out


@pytest.mark.requirement("SECRET-001")
def test_the_sidecars_key_is_in_no_file_once_it_serves(bottle: Inside, engine: Any) -> None:
    sidecar = engine.containers(filters={"label": ["dev.bottle.agent=looker", "dev.bottle.role=sidecar"]})[0]
    made = engine.exec_create(sidecar["Id"], ["ls", "-A", "/run/bottle", "/tmp"])
    assert "mitmproxy-ca.pem" not in engine.exec_start(made).decode()


@pytest.mark.requirement("SECRET-001")
def test_what_the_agent_prints_is_on_no_disk_of_the_engine(user: User, engine: Any, clean: None, value: str) -> None:
    user.write({"b": {}}, {"talker": {"bottle": "b", "agent": "shell", "command": inside.COMMAND}})
    with inside.running(user, "talker") as bottle:
        half = len(value) // 2
        said = bottle.run("sh", "-c", f"echo {value[:half]}''{value[half:]}")
        assert said.out.strip() == value
        assert on_disk(value, engine) == []


@pytest.mark.requirement("SECRET-003")
def test_the_hosts_variables_stay_on_the_host(user: User, clean: None) -> None:
    user.variables["AWS_SECRET_ACCESS_KEY"] = "not-granted"
    user.variables["CLAUDE_BOTTLE_OAUTH_TOKEN"] = "not-for-a-shell"
    user.write({"b": {}}, {"looker2": {"bottle": "b", "agent": "shell", "command": ["env"]}})
    done = user.start("looker2")
    assert done.code == 0, done.err
    assert "not-granted" not in done.out
    assert "not-for-a-shell" not in done.out
    assert os.fspath(Path(sys.executable)) not in done.out
