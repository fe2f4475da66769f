"""IO-001 and IO-002: terminals and pipes, as a user has them."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.support.cli import BOTTLE, User, hear_signals

pytestmark = pytest.mark.usefixtures("clean")


def agent(user: User, *command: str, **bottle: Any) -> None:
    user.write({"b": bottle}, {"typist": {"bottle": "b", "agent": "shell", "command": list(command)}})


def terminal(user: User, *options: str, size: tuple[int, int] = (31, 97)) -> "pexpect.spawn[bytes]":
    arguments = ["start", *options, "--manifest", str(user.manifest), "typist"]
    return pexpect.spawn(
        BOTTLE,
        arguments,
        env=user.environment(),
        cwd=str(user.home),
        dimensions=size,
        timeout=60,
        preexec_fn=hear_signals,
    )  # type: ignore[arg-type]


def ended(child: "pexpect.spawn[bytes]") -> int:
    child.expect(pexpect.EOF)
    child.wait()
    return int(child.exitstatus if child.exitstatus is not None else -1)


@pytest.mark.requirement("IO-001")
def test_the_terminal_has_its_size_from_the_first_look_on(user: User) -> None:
    agent(user, "sh", "-c", "stty size; tty; exit 5")
    child = terminal(user, "--yes")
    child.expect_exact("31 97")
    child.expect_exact("/dev/pts/0")
    assert ended(child) == 5


@pytest.mark.requirement("IO-001")
def test_a_new_size_reaches_the_agent(user: User) -> None:
    program = "import os, signal, sys; signal.signal(signal.SIGWINCH, lambda *_: (print(*os.get_terminal_size(), flush=True), sys.exit(0))); print('ready', flush=True); signal.pause()"
    agent(user, "python3", "-c", program)
    child = terminal(user, "--yes")
    child.expect_exact("ready")
    child.setwinsize(50, 140)
    child.expect_exact("140 50")
    assert ended(child) == 0


@pytest.mark.requirement("IO-001")
def test_every_key_reaches_the_agent_ctrl_c_too(user: User) -> None:
    program = "import os, sys, tty; tty.setraw(0); print('ready', flush=True); data = b''\nwhile not data.endswith(b'q'): data += os.read(0, 64)\nprint(data.hex())"
    agent(user, "python3", "-c", program)
    child = terminal(user, "--yes")
    child.expect_exact("ready")
    keys = b"\x03\x1a\x1c\x04\x1b[A\xc3\xbc\t\x7f"
    child.send(keys + b"q")
    child.expect_exact((keys + b"q").hex())
    assert ended(child) == 0


@pytest.mark.requirement("IO-001")
def test_output_is_intact_and_the_users_terminal_is_restored(user: User) -> None:
    agent(user, "sh", "-c", "printf 'grüße 世界 🍾\\n'; seq 1 200000; echo the end")
    child = terminal(user, "--yes")
    child.expect_exact("grüße 世界 🍾".encode())
    child.expect_exact("the end", timeout=60)
    seen = child.before.split(b"\r\n")
    assert [line for line in seen if line.isdigit()] == [str(n).encode() for n in range(1, 200001)]
    assert ended(child) == 0


@pytest.mark.requirement("IO-001")
def test_the_question_is_asked_and_yes_goes_on(user: User) -> None:
    agent(user, "echo", "it runs")
    for answer in ("y", "YES"):
        child = terminal(user)
        child.expect_exact("Start? [y/N] ")
        child.sendline(answer)
        child.expect_exact("it runs")
        assert ended(child) == 0


@pytest.mark.requirement("LIFE-004")
@pytest.mark.parametrize("answer", ["", "n", "no", "yeah", "Y e s"])
def test_anything_else_is_no_and_nothing_is_created(user: User, answer: str) -> None:
    agent(user, "echo", "it runs")
    child = terminal(user)
    child.expect_exact("Start? [y/N] ")
    child.sendline(answer)
    child.expect_exact("aborted")
    assert ended(child) == 0
    assert user.records() == []


@pytest.mark.requirement("LIFE-004")
def test_ctrl_c_and_ctrl_d_at_the_question(user: User) -> None:
    agent(user, "echo", "it runs")
    child = terminal(user)
    child.expect_exact("Start? [y/N] ")
    child.sendintr()
    assert ended(child) == 130
    child = terminal(user)
    child.expect_exact("Start? [y/N] ")
    child.sendeof()
    assert ended(child) == 0


@pytest.mark.requirement("SECRET-002")
def test_a_secret_is_asked_without_echo(user: User) -> None:
    agent(user, "sh", "-c", "echo length ${#PASSWORD}", env={"PASSWORD": "?Password of the test db"})
    child = terminal(user, "--yes")
    child.expect_exact("Password of the test db: ")
    child.sendline("hunter2-hunter2")
    child.expect_exact("length 15")
    assert b"hunter2" not in child.before
    assert ended(child) == 0


@pytest.mark.requirement("IO-002")
def test_pipes_stay_apart_and_stdin_ends(user: User) -> None:
    agent(user, "sh", "-c", "cat; echo warning >&2; test -t 0 || test -t 1 || echo no terminal; exit 9")
    done = user.start("typist", stdin=b"question\n")
    assert (done.code, done.out) == (9, "question\nno terminal\n")
    assert done.err.endswith("warning\n")


@pytest.mark.requirement("IO-002")
def test_ten_megabytes_each_way(user: User, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096 * 10
    agent(user, "python3", "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())")
    process = user.popen("start", "--yes", "--manifest", str(user.manifest), "typist")
    out, err = process.communicate(data, timeout=120)
    assert process.returncode == 0, err
    assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest()


@pytest.mark.requirement("IO-002")
def test_stdin_may_be_closed_or_a_file(user: User) -> None:
    agent(user, "wc", "-c")
    with Path(sys.executable).open("rb") as file:
        size = len(file.read())
    with Path(sys.executable).open("rb") as file:
        process = user.popen("start", "--yes", "--manifest", str(user.manifest), "typist", stdin=file)
        out, err = process.communicate(timeout=60)
    assert int(out) == size, err
    assert user.start("typist").out.strip() == "0"


@pytest.mark.requirement("IO-002")
def test_a_plan_is_a_result_on_stdout_and_creates_nothing(user: User) -> None:
    agent(user, "true", env={"A": "b"})
    done = user.run("start", "--dry-run", "--format", "json", "--manifest", str(user.manifest), "typist")
    assert done.code == 0
    assert '"schema_version": 1' in done.out
    assert user.run("start", "--dry-run", "--manifest", str(user.manifest), "typist").out.startswith("  agent")
    assert user.records() == []


@pytest.mark.requirement("IO-002")
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_descriptor_is_nothing(user: User, closed: int) -> None:
    agent(user, "sh", "-c", "wc -c; echo also >&2")
    command = f'exec "$0" start --yes --manifest "$1" typist {closed}>&-'
    process = subprocess.run(
        ["sh", "-c", command, BOTTLE, str(user.manifest)],
        env=user.environment(),
        cwd=user.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == (b"" if closed == 1 else b"0\n")


@pytest.mark.requirement("LIFE-004")
def test_output_that_cannot_be_written_is_an_error(user: User) -> None:
    agent(user, "echo", "x")
    with Path("/dev/full").open("wb") as full:
        process = user.popen("start", "--yes", "--manifest", str(user.manifest), "typist", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 125
    assert b"No space left on device" in err
    assert b"bug" not in err
