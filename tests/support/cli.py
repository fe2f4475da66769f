"""Runs the installed `bottle` command the way a user would: own home folder, own terminal or pipes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

BOTTLE = str(Path(sys.executable).parent / "bottle")
_PASSED_ON = ("PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_PASSED_ON_CA = ("SSL_CERT_FILE",)


def hear_signals() -> None:
    """Undoes what a background job of a shell inherits, so that the tests' signals are heard however they were started."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Result(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str


class User:
    """A user with an empty home folder and a manifest of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.manifest = home / "manifest.json"
        self.variables: dict[str, str] = {}

    def write(self, bottles: dict[str, Any], agents: dict[str, Any]) -> None:
        """Writes the manifest that `start` uses."""
        self.manifest.write_text(json.dumps({"bottles": bottles, "agents": agents}), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """What the command finds in its environment."""
        kept = {name: os.environ[name] for name in (*_PASSED_ON, *_PASSED_ON_CA) if name in os.environ}
        own = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state"), "LANG": "C.UTF-8"}
        return {**kept, **own, **self.variables}

    def popen(self, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
        """Starts the command in a process group of its own, so that a test's signals meet only it."""
        defaults: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.home,
            "env": self.environment(),
            "start_new_session": True,
            "preexec_fn": hear_signals,
        }
        return subprocess.Popen([BOTTLE, *arguments], **{**defaults, **options})

    def run(self, *arguments: str, stdin: bytes = b"", timeout: float = 120) -> Result:
        """Runs the command to its end; a hang is interrupted, so that it cleans up, and fails the test."""
        process = self.popen(*arguments)
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            raise AssertionError(f"bottle {' '.join(arguments)} hangs: {err.decode(errors='replace')}") from None
        return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def start(self, agent: str, *arguments: str, stdin: bytes = b"", timeout: float = 120) -> Result:
        """`bottle start --yes` with this user's manifest."""
        return self.run(
            "start", "--yes", "--manifest", str(self.manifest), *arguments, agent, stdin=stdin, timeout=timeout
        )

    def records(self) -> list[Path]:
        """Folders of this user's sessions, the newest last."""
        folder = self.home / "state" / "bottle" / "sessions"
        return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime) if folder.is_dir() else []

    def events(self) -> list[dict[str, Any]]:
        """The newest session's egress log."""
        file = self.records()[-1] / "egress.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
