"""The grants as a shell program and the entry script that takes them over, run by real shells."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bottle_core import deliver, scripts
from bottle_core.agents.base import GrantFile

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
_PRINT = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(k + b'=' + v for k, v in sorted(os.environb.items())))"


def shell(name: str) -> list[str]:
    return ["busybox", "sh"] if name == "busybox" else [name]


def started(name: str, folder: Path, *argv: str) -> "subprocess.Popen[bytes]":
    """The entry script under a shell, with `folder` in the place of /run/bottle."""
    script = scripts.entry().replace("/run/bottle", str(folder))
    return subprocess.Popen(
        [*shell(name), "-c", script, "entry", *argv], env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE
    )


def deliver_to(name: str, folder: Path, values: dict[str, bytes], files: tuple[GrantFile, ...] = ()) -> int:
    program = deliver.program(values, files, "CERTIFICATE\n", bytes(range(256)))
    program = program.replace(b"/run/bottle", str(folder).encode())
    return subprocess.run([*shell(name), "-s"], input=program, check=False, capture_output=True).returncode


VALUES = {
    "PLAIN": b"value",
    "QUOTES": b'it\'s "quoted" `id` $(id) $HOME \\ \\n',
    "NEWLINES": b"a\n\nb\n",
    "BYTES": bytes(range(1, 256)),
    "EMPTY": b"",
    "LONG": b"x" * 65536,
    "OPTION": b"-n -e",
    "PERCENT": b"%s %d %%",
}


@pytest.mark.parametrize("name", SHELLS)
def test_values_arrive_exactly_and_the_files_are_gone(name: str, tmp_path: Path) -> None:
    agent = started(name, tmp_path, sys.executable, "-c", _PRINT)
    time.sleep(0.2)
    assert agent.poll() is None
    assert deliver_to(name, tmp_path, VALUES) == 0
    out, _ = agent.communicate(timeout=20)
    seen = dict(entry.split(b"=", 1) for entry in out.split(b"\0"))
    for variable, value in VALUES.items():
        assert seen[variable.encode()] == value
    assert {path.name for path in tmp_path.iterdir()} == {"ca.crt", "ca-bundle.crt", "truststore.p12"}
    assert (tmp_path / "truststore.p12").read_bytes() == bytes(range(256))
    assert b"CERTIFICATE" in (tmp_path / "ca-bundle.crt").read_bytes()
    assert not set(seen) & {b"d", b"n", b"p"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200).filter(lambda value: b"\0" not in value))
def test_any_value_is_one_word(value: bytes) -> None:
    script = b"v=" + deliver.quote(value) + b'; printf %s "$v"'
    assert subprocess.run(["sh"], input=script, capture_output=True, check=True).stdout == value


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        deliver.quote(b"a\0b")


@pytest.mark.parametrize("name", SHELLS)
def test_nothing_runs_before_the_grants_and_the_exit_code_is_the_agents(name: str, tmp_path: Path) -> None:
    agent = started(name, tmp_path, "sh", "-c", "exit 42")
    time.sleep(0.3)
    assert agent.poll() is None
    assert deliver_to(name, tmp_path, {}) == 0
    assert agent.wait(10) == 42


@pytest.mark.parametrize("name", SHELLS)
def test_the_agent_runs_when_the_delivery_has_ended(name: str, tmp_path: Path) -> None:
    """An agent that ends at once takes its container along; the delivery must be over by then."""
    agent = started(name, tmp_path, "true")
    program = deliver.program({}, (), "", b"").replace(b"/run/bottle", str(tmp_path).encode())
    assert program.endswith(b"\nexit 0\n")
    slow = program.removesuffix(b"exit 0\n") + b"sleep 0.5\nexit 3\n"
    delivery = subprocess.Popen([*shell(name), "-s"], stdin=subprocess.PIPE)
    assert delivery.stdin
    with delivery.stdin as stdin:
        stdin.write(slow)
    time.sleep(0.3)
    assert (agent.poll(), delivery.poll()) == (None, None)
    assert delivery.wait(10) == 3
    assert agent.wait(10) == 0


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("/etc/passwd", 126)])
@pytest.mark.parametrize("name", SHELLS)
def test_a_command_that_cannot_run(name: str, command: str, code: int, tmp_path: Path) -> None:
    agent = started(name, tmp_path, command)
    deliver_to(name, tmp_path, {})
    assert agent.wait(10) == code


@pytest.mark.parametrize("name", SHELLS)
def test_files_are_written_with_their_modes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "home" / "it's" / "file"
    assert deliver_to(name, tmp_path, {}, (GrantFile(path=str(path), content="über\n", mode=0o640),)) == 0
    assert path.read_text(encoding="utf-8") == "über\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_step_that_fails_opens_no_gate(tmp_path: Path) -> None:
    file = GrantFile(path="/proc/no-such-folder/file", content="x")
    assert deliver_to("dash" if "dash" in SHELLS else "bash", tmp_path, {}, (file,)) != 0
    assert not (tmp_path / "go").exists()
