"""The same objects as a bottle's, made by bare calls: side by side over the API, or one by one by the command."""

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Network

import docker

from bottle_core import ipam, scripts
from bottle_core.assemble import Assembled, assemble
from bottle_core.contract import EngineInfo
from bottle_core.identity import new
from bottle_core.images import planned_reference
from bottle_core.manifest.load import Manifest, loads
from bottle_core.plugins import Plugins
from bottle_core.resolve import Chosen, Host, resolve
from bottle_core.spec import AgentSpec, BottleSpec, ContainerSpec
from bottle_docker import translate
from bottle_docker.backend import DockerBackend

__all__ = ["api", "assembled", "command"]


def assembled(manifest: Manifest, info: EngineInfo, subnets: tuple[IPv4Network, IPv4Network]) -> Assembled:
    """The specification that `bottle start` would carry out."""
    plugins = Plugins()
    kind, proxy = plugins.agent("shell"), plugins.proxy("mitmproxy")
    chosen = Chosen(kind, proxy, "", planned_reference(kind.image), planned_reference(proxy.image))
    plan = resolve(manifest, "bench", chosen, "docker", info, Host(frozenset(), terminal=False))
    return assemble(plan, new("bench"), proxy, subnets, scripts.entry(), "")


@contextmanager
def removed(client: docker.APIClient, spec: BottleSpec) -> Iterator[None]:
    try:
        yield
    finally:
        for container in (spec.agent, spec.sidecar):
            client.remove_container(container.name, force=True, v=True)
        for network in spec.networks:
            client.remove_network(network.name)


def _body(spec: ContainerSpec) -> dict[str, object]:
    body = translate.agent(spec, init=True) if isinstance(spec, AgentSpec) else translate.sidecar(spec, init=True)  # type: ignore[arg-type]
    # The agent's own command, without the script that waits for grants.
    return {**body, "Cmd": ["echo", "x"]} if isinstance(spec, AgentSpec) else body


def api(made: Assembled) -> float:
    """Seconds from the first call to the agent's first byte, networks and containers made side by side."""
    spec = made.spec
    backend = DockerBackend()
    backend.probe()
    client = docker.from_env().api
    begin = time.perf_counter()
    with ThreadPoolExecutor(4) as pool, removed(client, spec):
        list(pool.map(backend.create_network, spec.networks))
        sidecar = pool.submit(backend.start_sidecar, spec.sidecar, made.program.config)
        response = client._post_json(
            client._url("/containers/create"), data=_body(spec.agent), params={"name": spec.agent.name}
        )
        client._raise_for_status(response)
        session = backend.attach(spec.agent.name)
        backend.start_agent(spec.agent.name)
        assert session.read() is not None
        sidecar.result().close()
        seconds = time.perf_counter() - begin
        session.close()
    backend.close()
    return seconds


def command(made: Assembled) -> float:
    """The same through one call of the docker command after the other, as a shell script does."""
    spec = made.spec
    client = docker.from_env().api
    begin = time.perf_counter()
    for network in spec.networks:
        options = ["--internal"] if network.role == "internal" else []
        for key, value in translate.network(network)["Options"].items():
            options += ["--opt", f"{key}={value}"]
        _docker("network", "create", "--subnet", str(network.subnet), *options, network.name)
    with removed(client, spec):
        first, second = spec.sidecar.attachments
        _docker(
            "create", "-i", *_options(spec.sidecar), "--network", first.network, spec.sidecar.image, *spec.sidecar.argv
        )
        _docker("network", "connect", "--ip", str(second.address), second.network, spec.sidecar.name)
        _docker("start", spec.sidecar.name)
        network = spec.agent.attachments[0].network
        _docker("create", *_options(spec.agent), "--network", network, spec.agent.image, "echo", "x")
        process = subprocess.Popen(["docker", "start", "-a", spec.agent.name], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.read(1)
        seconds = time.perf_counter() - begin
        process.communicate()
    return seconds


def _options(spec: ContainerSpec) -> list[str]:
    options = ["--name", spec.name, "--init", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
    options += ["--user", f"{spec.uid}:{spec.gid}", "--hostname", spec.hostname, "--log-driver", "none"]
    for tmpfs in spec.tmpfs:
        options += ["--tmpfs", f"{tmpfs.path}:size={tmpfs.size},uid={spec.uid},gid={spec.gid}"]
    return [*options, "--ip", str(spec.attachments[0].address)]


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL)


def subnets(backend: DockerBackend) -> tuple[IPv4Network, IPv4Network]:
    """A free pair out of the pool."""
    pool = ipam.Pool.parse(ipam.DEFAULT_POOL)
    free = ipam.candidates(pool, backend.subnets_in_use(), ipam.host_routes(), time.monotonic_ns())
    return next(free), next(free)


def manifest() -> Manifest:
    """One agent that prints one line."""
    text = {
        "bottles": {"b": {"egress": {"proxy": "mitmproxy"}}},
        "agents": {"bench": {"bottle": "b", "agent": "shell", "command": ["echo", "x"]}},
    }
    return loads(json.dumps(text), "bench")
