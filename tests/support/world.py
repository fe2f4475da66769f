"""Starts the outside world of the tests and keeps what it saw. See world_server.py."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from bottle_core.images.host import bundle
from tests.support.world_server import ADDRESS

ROOT = Path(__file__).parents[2]
_READY = 20.0

Record = dict[str, Any]


class World:
    """The running world. `address` is where everything is; `ca` a bundle of the host's roots and the world's own."""

    address = ADDRESS

    def __init__(self, process: "subprocess.Popen[str]", ca: Path) -> None:
        self.ca = ca
        self._process = process
        self._records: list[Record] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._records.append(json.loads(line))
                self._changed.notify_all()

    def wait(self, wanted: Callable[[Record], bool], timeout: float = _READY) -> Record | None:
        """The first record that is wanted, now or within the time."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for record in self._records:
                    if wanted(record):
                        return record
                left = deadline - time.monotonic()
                if left <= 0 or self._process.poll() is not None:
                    return None
                self._changed.wait(min(left, 0.5))

    def records(self) -> list[Record]:
        """Everything seen so far."""
        with self._changed:
            return list(self._records)

    @property
    def queries(self) -> list[str]:
        """Names that somebody asked the DNS server for."""
        return [record["query"] for record in self.records() if "query" in record]

    @property
    def requests(self) -> list[Record]:
        """Requests that reached a web server: request (path), method, host, scheme, port, headers."""
        return [record for record in self.records() if "request" in record]

    def egress(self, *hosts: str, **more: object) -> Record:
        """The egress section of a manifest that grants these hosts of the world."""
        return {"allowlist": list(hosts), "private": [f"{ADDRESS}/32"], "resolvers": [ADDRESS], **more}

    def environment(self) -> dict[str, str]:
        """Variables for the product's process: it trusts the world's authority as a host behind a company's proxy does."""
        return {"SSL_CERT_FILE": str(self.ca)}


def as_root(command: list[str]) -> list[str]:
    """The command with what makes it root's."""
    return command if os.geteuid() == 0 else ["sudo", "-n", "--preserve-env=PYTHONPATH", *command]


@contextmanager
def _alone() -> Iterator[None]:
    """Waits for the end of another run of the tests on this machine: the world has one address."""
    with (Path(tempfile.gettempdir()) / f"world-of-bottle-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """The world, from its first record to its end; one at a time on a machine."""
    with _alone(), _running(folder) as world:
        yield world


@contextmanager
def _running(folder: Path) -> Iterator[World]:
    authority = trustme.CA(organization_name="bottle test world")
    key, certificate, whole = folder / "key.pem", folder / "ca.pem", folder / "bundle.pem"
    authority.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(certificate))
    whole.write_text(bundle() + certificate.read_text(encoding="ascii"), encoding="ascii")
    command = as_root([sys.executable, "-m", "tests.support.world_server", str(key), str(certificate)])
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}"},
    )
    world = World(process, whole)
    try:
        if world.wait(lambda record: bool(record.get("ready"))) is None:
            raise RuntimeError("the world of the tests did not start; it needs root (or sudo) and the ip tool")
        yield world
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
