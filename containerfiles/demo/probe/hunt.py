"""Secret hunting: what was not granted must not be found (SECRET-001, SECRET-003, SEC-009)."""

import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from checks import Check, Result, all_refused
from world import World

_PLACES = ("/run", "/tmp", "/home", "/etc", "/var", "/opt", "/usr/local", "/dev/shm", "/mnt", "/srv", "/root")
_SIZE_LIMIT = 1024 * 1024
_PATTERNS = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "an Anthropic token": re.compile(rb"sk-ant-[a-z]+[0-9]{2}-[\w-]{20}"),
    "a GitHub token": re.compile(rb"gh[pousr]_[A-Za-z0-9]{30}"),
    "an AWS key": re.compile(rb"AKIA[0-9A-Z]{16}"),
}


def checks(world: World) -> Iterator[Check]:
    """One check a requirement."""
    yield Check("attack", "SECRET-001", "find keys and tokens in files and processes", _files)
    yield Check("attack", "SECRET-003", "find a variable that was not granted", lambda: _variables(world))
    yield Check("attack", "SEC-009", "learn the host's name", _host_name)
    yield Check("work", "SEC-005", "write in the home folder and in /tmp", _writable)


def _files() -> Result:
    tries: dict[str, str | None] = {}
    for path in _candidates():
        try:
            content = path.read_bytes()[:_SIZE_LIMIT]
        except OSError:
            continue
        tries[str(path)] = next((what for what, pattern in _PATTERNS.items() if pattern.search(content)), None)
    return all_refused(tries)


def _candidates() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        yield process / "environ"
        yield process / "cmdline"
    for place in _PLACES:
        for folder, _, names in os.walk(place):
            for name in names:
                path = Path(folder, name)
                # The probe's own patterns stand in its own source.
                if not path.is_relative_to(Path(__file__).parent) and stat.S_ISREG(path.lstat().st_mode):
                    yield path


def _variables(world: World) -> Result:
    extra = sorted(set(os.environ) - world.names - {"LC_CTYPE"})
    left = [str(path) for path in Path("/run/bottle").iterdir() if path.name in ("grants", "go")]
    if extra or left:
        return Result(False, f"found {', '.join((*extra, *left))}")
    return Result(True, f"{len(os.environ)} variables, all documented; the delivery is gone")


def _host_name() -> Result:
    name = socket.gethostname()
    kernel = Path("/proc/sys/kernel/hostname").read_text().strip()
    return Result(name == kernel == "bottle", f"it is called {name!r} here")


def _writable() -> Result:
    for folder in (Path.home(), Path("/tmp")):
        path = folder / ".bottle-demo"
        path.write_text("x")
        path.unlink()
    return Result(True, f"{Path.home()} and /tmp")
