"""The sidecar alone: the real image between two real networks, with a client in the agent's place."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from typing import Any

from bottle_core import ipam
from bottle_core.contract import Session, Stream
from bottle_core.egress.base import EgressEvent, ProxyRequest, Ready
from bottle_core.egress.mitmproxy import MitmproxyEgress
from bottle_core.errors import SubnetTakenError
from bottle_core.images import ensure
from bottle_core.policy.egress import EgressPolicy
from bottle_core.spec import AgentSpec, Attachment, ImageSource, Limits, NetworkSpec, SidecarSpec, Tmpfs
from bottle_docker.backend import DockerBackend
from tests.support.inside import Done

_POOL = ipam.Pool.parse("10.232.0.0/16")
_LABELS = {"dev.bottle.test": "sidecar"}
_CA = "/run/bottle/ca.crt"


class Output:
    """What a sidecar prints, followed in a thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._ended = False
        self.stdout: list[bytes] = []
        self.stderr = b""
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        rest = b""
        while (chunk := self._session.read()) is not None:
            with self._changed:
                if chunk.stream is Stream.STDERR:
                    self.stderr += chunk.data
                else:
                    *whole, rest = (rest + chunk.data).split(b"\n")
                    self.stdout += whole
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait(self, wanted: Callable[[bytes], Any], timeout: float = 20.0) -> Any:
        """What `wanted` says of the first line of which it says anything."""
        deadline, seen = time.monotonic() + timeout, 0
        with self._changed:
            while True:
                for line in self.stdout[seen:]:
                    if found := wanted(line):
                        return found
                seen = len(self.stdout)
                if self._ended or time.monotonic() >= deadline:
                    raise AssertionError(f"not said: {self.stdout[-5:]} {self.stderr.decode(errors='replace')}")
                self._changed.wait(0.2)

    def join(self, timeout: float) -> None:
        """Until the sidecar has ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended, timeout)


class Sidecar:
    """A running sidecar and its client; `took` is the time from the request for the container to the ready line."""

    def __init__(self, backend: DockerBackend, names: tuple[str, str], output: Output, ready: Ready, took: float):
        self.backend = backend
        self.name, self.client = names
        self.output = output
        self.ready = ready
        self.took = took

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 60) -> Done:
        """Runs a command in the client's container."""
        result = self.backend.exec(self.client, argv, stdin, timeout)
        return Done(result.exit_code, result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace"))

    def python(self, program: str, *arguments: str, timeout: float = 60) -> Any:
        """Runs a Python program that prints JSON in the client's container, and returns what it printed."""
        done = self.run("python3", "-c", program, *arguments, timeout=timeout)
        assert done.code == 0, done.err
        return json.loads(done.out)

    def curl(self, *arguments: str) -> Done:
        """Runs curl; prints the body, then the status alone on the last line."""
        return self.run("curl", "-sS", "--max-time", "40", "-w", "\\n%{http_code}", *arguments)

    def events(self) -> list[EgressEvent]:
        """The decisions so far, as the core reads them."""
        read = (MitmproxyEgress().event(line, "s") for line in list(self.output.stdout))
        return [event for event in read if event is not None]

    def event(self, wanted: Callable[[EgressEvent], bool], timeout: float = 10.0) -> EgressEvent:
        """The first decision that is wanted, now or within the time."""

        def found(line: bytes) -> EgressEvent | None:
            event = MitmproxyEgress().event(line, "s")
            return event if event is not None and wanted(event) else None

        event: EgressEvent = self.output.wait(found, timeout)
        return event

    def memory(self) -> int:
        """The resident memory of the proxy's process in MB, as the engine sees it."""
        top = self.backend._api.top(self.name, "-o pid,rss")
        return max(int(row[1]) for row in top["Processes"]) // 1024


def request(policy: EgressPolicy, subnets: tuple[IPv4Network, IPv4Network], extra_ca: str) -> ProxyRequest:
    return ProxyRequest(
        session="sidecar-tests",
        policy=policy,
        listen=ipam.sidecar_address(subnets[0]),
        internal_subnet=subnets[0],
        egress_subnet=subnets[1],
        extra_ca=extra_ca,
    )


@contextmanager
def networks(backend: DockerBackend) -> Iterator[tuple[tuple[str, str], tuple[IPv4Network, IPv4Network]]]:
    """An internal and an egress network: names and subnets, internal first."""
    seed = secrets.randbits(32)
    free = ipam.candidates(_POOL, backend.subnets_in_use(), (), seed)
    names, made = (f"sidecar-{seed:x}-internal", f"sidecar-{seed:x}-egress"), []
    try:
        for name, role in zip(names, ("internal", "egress"), strict=True):
            for subnet in free:
                spec = NetworkSpec(name=name, role=role, subnet=subnet, labels=_LABELS)  # type: ignore[arg-type]
                with suppress(SubnetTakenError):
                    backend.create_network(spec)
                    made.append(subnet)
                    break
        yield names, (made[0], made[1])
    finally:
        for name in names:
            backend.remove("network", name)


def sidecar_spec(
    names: tuple[str, str], subnets: tuple[IPv4Network, IPv4Network], image: str, policy: EgressPolicy, ca: str
) -> tuple[SidecarSpec, bytes]:
    """The sidecar as bottle_core.assemble makes it, and its configuration."""
    program = MitmproxyEgress().program(request(policy, subnets, ca))
    spec = SidecarSpec(
        name=names[0].replace("-internal", "-proxy"),
        image=image,
        argv=program.argv,
        env=program.env,
        uid=65532,
        gid=65532,
        hostname="egress",
        workdir="/",
        attachments=(
            Attachment(network=names[1], address=ipam.sidecar_address(subnets[1])),
            Attachment(network=names[0], address=ipam.sidecar_address(subnets[0])),
        ),
        resolvers=policy.resolvers or None,
        tmpfs=program.tmpfs,
        limits=Limits(pids=256),
        labels=_LABELS,
    )
    return spec, program.config


def _client_spec(name: str, network: str, subnet: IPv4Network, image: str) -> AgentSpec:
    url = f"http://{ipam.sidecar_address(subnet)}:3128"
    trust = dict.fromkeys(("SSL_CERT_FILE", "CURL_CA_BUNDLE"), _CA)
    return AgentSpec(
        name=name,
        image=image,
        argv=("sleep", "3600"),
        env={**dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url), **trust},
        uid=1000,
        gid=1000,
        hostname="client",
        workdir="/",
        attachments=(Attachment(network=network, address=ipam.agent_address(subnet)),),
        resolvers=(),
        tmpfs=(Tmpfs(path="/run/bottle", size=1024**2),),
        limits=Limits(),
        labels=_LABELS,
        tty=False,
    )


@contextmanager
def running(policy: EgressPolicy, extra_ca: str) -> Iterator[Sidecar]:
    """A sidecar that carries this policy out, ready, with a client that trusts it."""
    backend = DockerBackend()
    images = [ensure(backend, ImageSource(recipe=name), lambda _line: None) for name in ("egress", "shell")]
    with networks(backend) as (names, subnets):
        spec, config = sidecar_spec(names, subnets, images[0], policy, extra_ca)
        client = _client_spec(names[0].replace("-internal", "-client"), names[0], subnets[0], images[1])
        try:
            backend.create_agent(client)
            backend.start_agent(client.name)
            begin = time.monotonic()
            output = Output(backend.start_sidecar(spec, config))
            ready: Ready = output.wait(MitmproxyEgress().ready)
            took = time.monotonic() - begin
            sidecar = Sidecar(backend, (spec.name, client.name), output, ready, took)
            done = sidecar.run("sh", "-c", f"cat >{_CA}", stdin=ready.ca_certificate.encode())
            assert done.code == 0, done.err
            yield sidecar
        finally:
            for name in (client.name, spec.name):
                backend.remove("container", name)
    backend.close()
