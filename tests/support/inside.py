"""A bottle that stays: commands go in through the session's own stdin, answers come out through its stdout."""

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.cli import User

# Runs in the bottle: a line of JSON in, a line of JSON out. Nothing of it stays between commands.
_AGENT = r"""
import json, subprocess, sys, base64
for line in sys.stdin:
    ask = json.loads(line)
    try:
        done = subprocess.run(ask["argv"], input=base64.b64decode(ask["stdin"]), capture_output=True, timeout=ask["timeout"])
        answer = {"code": done.returncode, "out": base64.b64encode(done.stdout).decode(), "err": base64.b64encode(done.stderr).decode()}
    except subprocess.TimeoutExpired:
        answer = {"code": -1, "out": "", "err": ""}
    except OSError as error:
        answer = {"code": 127, "out": "", "err": base64.b64encode(str(error).encode()).decode()}
    print(json.dumps(answer), flush=True)
"""
COMMAND = ["python3", "-u", "-c", _AGENT]


class Done(NamedTuple):
    """A command that ran inside; code -1 means that it hung."""

    code: int
    out: str
    err: str


class Inside:
    """The inside of a running bottle."""

    def __init__(self, process: "subprocess.Popen[bytes]", user: User) -> None:
        self.process = process
        self.user = user
        self._errors: list[bytes] = []
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.append(line)

    @property
    def messages(self) -> str:
        """What the command has printed on stderr so far."""
        return b"".join(self._errors).decode(errors="replace")

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 30) -> Done:
        """Runs a command in the bottle."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        ask = {"argv": argv, "stdin": base64.b64encode(stdin).decode(), "timeout": timeout}
        self.process.stdin.write(json.dumps(ask).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            time.sleep(0.5)
            raise AssertionError(f"the bottle has ended: {self.messages}")
        answer = json.loads(line)
        return Done(answer["code"], *(base64.b64decode(answer[key]).decode(errors="replace") for key in ("out", "err")))

    def shell(self, script: str, timeout: float = 30) -> Done:
        """Runs a bash script."""
        return self.run("bash", "-c", script, timeout=timeout)

    def python(self, program: str, *arguments: str, timeout: float = 60) -> Any:
        """Runs a Python program that prints JSON, and returns what it printed."""
        done = self.run("python3", "-c", program, *arguments, timeout=timeout)
        assert done.code == 0, done.err
        return json.loads(done.out)

    def curl(self, *arguments: str, timeout: float = 30) -> Done:
        """Runs curl with the bottle's own settings; prints the body, then the status alone on the last line."""
        return self.run(
            "curl", "-sS", "--max-time", str(timeout - 2), "-w", "\\n%{http_code}", *arguments, timeout=timeout
        )

    @property
    def network(self) -> dict[str, str]:
        """The bottle's place: `proxy` and `own` address, `port` of the proxy."""
        program = """
import json, os, socket
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((p.hostname, p.port))
print(json.dumps({"proxy": p.hostname, "port": str(p.port), "own": s.getsockname()[0]}))
"""
        found: dict[str, str] = self.python(program)
        return found


@contextmanager
def running(user: User, agent: str, timeout: float = 60) -> Iterator[Inside]:
    """The bottle of `agent`, whose command has to be COMMAND, until the block ends."""
    process = user.popen("start", "--yes", "--manifest", str(user.manifest), agent)
    inside = Inside(process, user)
    try:
        inside.run("true", timeout=timeout)
        yield inside
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait(30)
