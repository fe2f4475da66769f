"""The contract between the core and an engine backend.

A backend carries a spec out and nothing else: no policy, no defaults, no question to the user. Every method
raises only errors of `bottle_core.errors`. docs/contract.md has the requirement rows that are cited here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv4Network
from typing import Literal, NamedTuple, Self

from bottle_core.capabilities import Capability
from bottle_core.spec import AgentSpec, Frozen, NetworkSpec, SidecarSpec

CONTRACT_VERSION = (1, 0)
"""(major, minor): a plug-in of another major is refused, one of an older minor accepted."""


class Problem(Frozen):
    """Something about the engine that the user should know, with the command that mends it."""

    message: str
    fix: str
    fatal: bool = False


class EngineInfo(Frozen):
    """What `probe` found. `local` is False when the engine runs on another machine or in a VM."""

    name: str
    version: str
    api_version: str
    rootless: bool
    local: bool
    cgroup: str
    capabilities: frozenset[Capability]
    problems: tuple[Problem, ...] = ()


class Stream(IntEnum):
    """Which output a chunk belongs to; with a TTY everything is STDOUT."""

    STDOUT = 1
    STDERR = 2


class Chunk(NamedTuple):
    """A piece of a container's output, in order, of any length above 0."""

    stream: Stream
    data: bytes


class ExecResult(NamedTuple):
    """What a finished exec left behind; `stdout` and `stderr` are whole."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Outcome(NamedTuple):
    """How a container's main process ended; `exit_code` is 128 + n after signal n."""

    exit_code: int
    oom_killed: bool


class Owned(NamedTuple):
    """An object of the engine that carries our labels."""

    kind: Literal["container", "network"]
    name: str
    labels: dict[str, str]
    running: bool


class Session(ABC):
    """A connection to a container's stdin, stdout and stderr (IO-001, IO-002).

    Safe for one reading and one writing thread. After `close` a blocked `read` returns None.
    """

    @abstractmethod
    def read(self) -> Chunk | None:
        """Blocks for the next chunk; None at the end of the output."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Sends all of `data` to stdin; does nothing when the container is gone."""

    @abstractmethod
    def close_stdin(self) -> None:
        """Ends stdin; the process reads end-of-file, output goes on."""

    @abstractmethod
    def resize(self, rows: int, columns: int) -> None:
        """Sets the terminal's size; does nothing without a TTY or when the container is gone."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the connection; idempotent; the container goes on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Backend(ABC):
    """One engine. All methods may be called from several threads at once.

    Every create is given its name by the core and registered for removal before it is called, so a
    backend that is interrupted halfway needs no rollback of its own (LIFE-001).
    """

    @abstractmethod
    def probe(self) -> EngineInfo:
        """Asks the engine what it is and can do; raises EngineUnavailableError with the way to fix it."""

    # Images

    @abstractmethod
    def image_env(self, reference: str) -> tuple[str, ...] | None:
        """The names of the variables that the image itself sets, or None if the image is not present."""

    @abstractmethod
    def image_size(self, reference: str) -> int | None:
        """The image's size on disk in bytes, or None if it is not present."""

    @abstractmethod
    def can_pull(self, reference: str, timeout: float) -> str:
        """Empty if the registry has the image, else the reason why it can't be had, in one line."""

    @abstractmethod
    def pull_image(self, reference: str) -> Iterator[str]:
        """Pulls, yielding progress lines; raises ImageMissingError."""

    @abstractmethod
    def import_image(self, tar_path: str, reference: str) -> None:
        """Makes an image with one layer out of a root filesystem's tar file."""

    @abstractmethod
    def build_image(
        self,
        context_tar: str,
        containerfile: str,
        reference: str,
        buildargs: dict[str, str],
        labels: dict[str, str],
    ) -> Iterator[str]:
        """Builds `containerfile` (a path inside the context), yielding output lines; raises ImageBuildError.

        Networking is the engine's default. `buildargs` may hold proxy settings, which must not stay in the image.
        """

    @abstractmethod
    def remove_image(self, reference: str) -> None:
        """Removes the tag and what only it needs; idempotent."""

    # Networks

    @abstractmethod
    def subnets_in_use(self) -> list[IPv4Network]:
        """Subnets of all the engine's networks, ours or not."""

    @abstractmethod
    def create_network(self, spec: NetworkSpec) -> None:
        """Creates the network (NET-001 to NET-004); raises SubnetTakenError or NameTakenError (PAR-002)."""

    # Containers

    @abstractmethod
    def start_sidecar(self, spec: SidecarSpec, config: bytes) -> Session:
        """Creates and starts the sidecar, sends it `config` on stdin and ends stdin; returns its output (SECRET-001).

        `config` is never on disk, in the environment or in the engine's records.
        """

    @abstractmethod
    def create_agent(self, spec: AgentSpec) -> None:
        """Creates the agent's container; its network need not exist yet. Raises ImageMissingError, NameTakenError."""

    @abstractmethod
    def attach(self, name: str) -> Session:
        """Connects to a created container before its start, so that no output is lost (IO-001, IO-002)."""

    @abstractmethod
    def start_agent(self, name: str) -> None:
        """Starts the created container; raises ContainerError if its process can't be started."""

    @abstractmethod
    def exec(self, name: str, argv: tuple[str, ...], stdin: bytes = b"", timeout: float = 30.0) -> ExecResult:
        """Runs argv as the container's user, without extra environment (SECRET-001); raises StepTimeoutError.

        A missing command is exit code 127 and one that can't be executed 126, on every engine.
        """

    @abstractmethod
    def copy_in(self, name: str, folder: str, tar: bytes) -> None:
        """Unpacks a tar stream in a running container's existing folder, as its user; raises NotFoundError."""

    @abstractmethod
    def copy_out(self, name: str, path: str) -> bytes:
        """The tar stream of a path in a container; unchecked, the caller treats it as hostile (FS-003)."""

    @abstractmethod
    def logs(self, name: str) -> bytes:
        """What the container wrote so far, both streams, at most the last 64 KiB."""

    @abstractmethod
    def wait(self, name: str) -> Outcome:
        """Blocks until the container's main process has ended."""

    @abstractmethod
    def stop(self, name: str, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds; idempotent (LIFE-003)."""

    @abstractmethod
    def remove(self, kind: Literal["container", "network"], name: str) -> None:
        """Kills if needed and removes, with anonymous volumes; idempotent; returns when it is gone (LIFE-003)."""

    @abstractmethod
    def list_owned(self) -> list[Owned]:
        """Everything with our labels, running or not (LIFE-003)."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the connection to the engine; idempotent."""
