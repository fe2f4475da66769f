"""An engine in memory, for tests of the core and of plug-ins. It isolates nothing and proves nothing about isolation.

`FakeBackend` keeps the contract's promises (names are unique, removal is idempotent, attach before start loses
nothing) and answers the observation script as a truthful engine would for the spec it was given.
"""

import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from bottle_core import deliver
from bottle_core.capabilities import Capability
from bottle_core.contract import Backend, Chunk, EngineInfo, ExecResult, Outcome, Owned, Session, Stream
from bottle_core.errors import ContainerError, ImageMissingError, NameTakenError, NotFoundError, SubnetTakenError
from bottle_core.spec import AgentSpec, ContainerSpec, NetworkSpec, SidecarSpec

Program = Callable[["FakeContainer"], int]


class FakeSession(Session):
    """A container's streams as queues; `stdin` collects what was written."""

    def __init__(self) -> None:
        self._chunks: queue.Queue[Chunk | None] = queue.Queue()
        self.stdin = b""
        self.stdin_closed = threading.Event()
        self.size: tuple[int, int] | None = None
        self.closed = False

    def say(self, data: bytes, stream: Stream = Stream.STDOUT) -> None:
        """Output of the container."""
        self._chunks.put(Chunk(stream, data))

    def end(self) -> None:
        """The end of the output."""
        self._chunks.put(None)

    def read(self) -> Chunk | None:
        return self._chunks.get()

    def write(self, data: bytes) -> None:
        self.stdin += data

    def close_stdin(self) -> None:
        self.stdin_closed.set()

    def resize(self, rows: int, columns: int) -> None:
        self.size = (rows, columns)

    def close(self) -> None:
        self.closed = True
        self._chunks.put(None)


class FakeContainer:
    """A container that runs a Python function instead of a process."""

    def __init__(self, spec: ContainerSpec) -> None:
        self.spec = spec
        self.session = FakeSession()
        self.running = False
        self.delivered = b""
        self.granted = threading.Event()
        self.ended = threading.Event()
        self.exit_code = 0

    def end(self, code: int) -> None:
        """The main process ends."""
        if not self.ended.is_set():
            self.exit_code = code
            self.running = False
            self.ended.set()
            self.session.end()


def exits(code: int = 0, output: bytes = b"") -> Program:
    """An agent that waits for its grants, writes `output` and exits."""

    def run(container: FakeContainer) -> int:
        container.granted.wait()
        if output:
            container.session.say(output)
        return code

    return run


class FakeBackend(Backend):
    """One engine in memory. `agent` is what agents run; `sidecar` gets the configuration and serves or fails."""

    def __init__(
        self,
        agent: Program | None = None,
        sidecar: Callable[["FakeContainer", bytes], None] | None = None,
        capabilities: frozenset[Capability] = frozenset(Capability),
    ) -> None:
        self.agent = agent or exits()
        self.sidecar = sidecar or (lambda _container, _config: None)
        self.capabilities = capabilities
        self.images: dict[str, tuple[str, ...]] = {}
        self.networks: dict[str, NetworkSpec] = {}
        self.containers: dict[str, FakeContainer] = {}
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def _called(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)

    def probe(self) -> EngineInfo:
        self._called("probe")
        return EngineInfo(
            name="Fake",
            version="1.0",
            api_version="1.0",
            rootless=False,
            local=True,
            cgroup="v2",
            capabilities=self.capabilities,
        )

    def image_env(self, reference: str) -> tuple[str, ...] | None:
        return self.images.get(reference)

    def image_size(self, reference: str) -> int | None:
        return 1 if reference in self.images else None

    def can_pull(self, reference: str, timeout: float) -> str:  # noqa: ARG002
        return f"{reference}: the engine in memory has no registry"

    def pull_image(self, reference: str) -> Iterator[str]:
        raise ImageMissingError(f"pull {reference}", "the engine in memory has no registry")

    def import_image(self, tar_path: str, reference: str) -> None:  # noqa: ARG002
        self.images[reference] = ()

    def build_image(
        self,
        context_tar: str,  # noqa: ARG002
        containerfile: str,
        reference: str,
        buildargs: dict[str, str],  # noqa: ARG002
        labels: dict[str, str],  # noqa: ARG002
    ) -> Iterator[str]:
        yield f"building {containerfile}"
        self.images[reference] = ()

    def remove_image(self, reference: str) -> None:
        self.images.pop(reference, None)

    def subnets_in_use(self) -> list[IPv4Network]:
        return [network.subnet for network in self.networks.values()]

    def create_network(self, spec: NetworkSpec) -> None:
        self._called("create_network")
        with self._lock:
            if spec.name in self.networks:
                raise NameTakenError(f"create the network {spec.name}", "the name is taken")
            if any(spec.subnet.overlaps(other.subnet) for other in self.networks.values()):
                raise SubnetTakenError(f"create the network {spec.name}", f"{spec.subnet} is in use")
            self.networks[spec.name] = spec

    def start_sidecar(self, spec: SidecarSpec, config: bytes) -> Session:
        self._called("start_sidecar")
        container = self._create(spec)
        container.running = True
        self.sidecar(container, config)
        return container.session

    def create_agent(self, spec: AgentSpec) -> None:
        self._called("create_agent")
        self._create(spec)

    def _create(self, spec: ContainerSpec) -> FakeContainer:
        with self._lock:
            if spec.name in self.containers:
                raise NameTakenError(f"create the container {spec.name}", "the name is taken")
            if spec.image not in self.images:
                raise ImageMissingError(f"create the container {spec.name}", f"there is no image {spec.image}")
            container = self.containers[spec.name] = FakeContainer(spec)
        return container

    def _container(self, name: str) -> FakeContainer:
        if name not in self.containers:
            raise NotFoundError(f"use the container {name}", "there is no such container")
        return self.containers[name]

    def attach(self, name: str) -> Session:
        self._called("attach")
        return self._container(name).session

    def start_agent(self, name: str) -> None:
        self._called("start_agent")
        container = self._container(name)
        for attachment in container.spec.attachments:
            if attachment.network not in self.networks:
                raise ContainerError(f"start {name}", f"there is no network {attachment.network}")
        container.running = True

        def run() -> None:
            container.end(self.agent(container))

        threading.Thread(target=run, name=name, daemon=True).start()

    def exec(self, name: str, argv: tuple[str, ...], stdin: bytes = b"", timeout: float = 30.0) -> ExecResult:  # noqa: ARG002
        self._called("exec")
        container = self._container(name)
        if argv == deliver.ARGV:
            container.delivered = stdin
            container.granted.set()
            return ExecResult(0, b"", b"")
        return ExecResult(0, observation(container.spec), b"")

    def copy_in(self, name: str, folder: str, tar: bytes) -> None:  # noqa: ARG002
        self._container(name)

    def copy_out(self, name: str, path: str) -> bytes:
        self._container(name)
        raise NotFoundError(f"copy {path} out of {name}", "the engine in memory keeps no files")

    def logs(self, name: str) -> bytes:
        self._container(name)
        return b""

    def wait(self, name: str) -> Outcome:
        self._called("wait")
        container = self._container(name)
        container.ended.wait()
        return Outcome(container.exit_code, oom_killed=False)

    def stop(self, name: str, grace: float) -> None:  # noqa: ARG002
        if name in self.containers:
            self.containers[name].end(143)

    def remove(self, kind: Literal["container", "network"], name: str) -> None:
        self._called("remove")
        if kind == "network":
            self.networks.pop(name, None)
        elif (container := self.containers.pop(name, None)) is not None:
            container.granted.set()
            container.end(137)

    def list_owned(self) -> list[Owned]:
        containers = [Owned("container", n, c.spec.labels, c.running) for n, c in self.containers.items()]
        networks = [Owned("network", n, spec.labels, running=True) for n, spec in self.networks.items()]
        return [*containers, *networks]

    def close(self) -> None:
        self._called("close")


def observation(spec: ContainerSpec) -> bytes:
    """What the observation script prints in a container that is exactly as `spec` says."""
    address = spec.attachments[0].address
    status = [
        f"Uid:\t{spec.uid}\t{spec.uid}\t{spec.uid}\t{spec.uid}",
        f"Gid:\t{spec.gid}\t{spec.gid}\t{spec.gid}\t{spec.gid}",
        "Groups:\t ",
        *(f"{name}:\t0000000000000000" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")),
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ]
    root = "ro" if spec.read_only_root else "rw"
    mounts = [f"1 0 0:1 / / {root},relatime - overlay overlay {root}", "2 1 0:2 / /proc rw - proc proc rw"]
    mounts += [
        f"{number} 1 0:3 / {tmpfs.path} rw,nosuid,nodev - tmpfs tmpfs rw"
        for number, tmpfs in zip(itertools.count(3), spec.tmpfs, strict=False)
    ]
    rows = [
        ("version", ["1"]),
        ("first", status),
        ("self", status),
        ("uid_map", ["0 0 4294967295"]),
        ("route", ["Iface Destination Gateway Flags", f"eth0 {_hex(_network(address))} 00000000 0001"]),
        ("link", ["lo: 0 0", "eth0: 0 0"]),
        ("host", ["127.0.0.1 localhost", f"{address} {spec.hostname}"]),
        ("hostname", [spec.hostname]),
        ("mount", mounts),
        ("device", ["/dev/null", "/dev/tty"]),
        ("export", [f"export {name}" for name in sorted({*spec.env, "HOSTNAME"})]),
        ("knocked", [""]),
        ("neighbour", ["IP address HW type Flags HW address Mask Device"]),
        ("end", [""]),
    ]
    return "\n".join(f"{key} {text}".rstrip() for key, texts in rows for text in texts).encode() + b"\n"


def _network(address: IPv4Address) -> IPv4Address:
    return IPv4Network((address, 29), strict=False).network_address


def _hex(address: IPv4Address) -> str:
    return address.packed[::-1].hex().upper()
