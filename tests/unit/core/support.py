"""A plan and a launch for tests of the core, on the engine in memory."""

import json
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from bottle_core import ipam
from bottle_core.agents.shell import ShellAgent
from bottle_core.assemble import Assembled, Identity, assemble
from bottle_core.capabilities import Capability
from bottle_core.contract import EngineInfo, Stream
from bottle_core.egress.mitmproxy import MitmproxyEgress
from bottle_core.interrupts import Interrupts
from bottle_core.launch import Launch
from bottle_core.manifest.load import loads
from bottle_core.plan import Plan
from bottle_core.records import Record
from bottle_core.resolve import Chosen, Host, resolve
from bottle_core.session import Terminal
from bottle_core.testing import FakeBackend, FakeContainer, Program

ENGINE = EngineInfo(
    name="Memory Engine",
    version="1.0",
    api_version="1",
    rootless=False,
    local=True,
    cgroup="v2",
    capabilities=frozenset(Capability),
)
IDENTITY = Identity(session="worker-abcde", start="0" * 32, owner="0@boot", created="2026-01-01T00:00:00+00:00")
SUBNETS = (IPv4Network("10.231.0.0/29"), IPv4Network("10.231.0.8/29"))
MANIFEST = """{
  "bottles": {"b": {
    "env": {"LEVEL": "debug", "TOKEN": "${HOST_TOKEN}"},
    "egress": {"allowlist": ["example.org", "*.example.net:8443"], "private": ["10.9.0.0/16"]}
  }},
  "agents": {"worker": {"bottle": "b", "agent": "shell", "command": ["make", "it so"]}}
}"""
VALUES = {"TOKEN": b"s3cret", "LEVEL": b"debug"}


def plan(manifest: str = MANIFEST, agent: str = "worker", **host: Any) -> Plan:
    """The plan of the manifest's agent on the engine in memory."""
    kind, proxy = ShellAgent(), MitmproxyEgress()
    chosen = Chosen(kind, proxy, "the default", "bottle/shell:test", "bottle/egress:test")
    facts = Host(frozenset(host.get("variables", {"HOST_TOKEN"})), host.get("terminal", False))
    return resolve(loads(manifest, "bottle.jsonc"), agent, chosen, "memory", host.get("engine", ENGINE), facts)


def assembled(wanted: Plan | None = None) -> Assembled:
    """The spec of that plan."""
    return assemble(wanted or plan(), IDENTITY, MitmproxyEgress(), SUBNETS, "ENTRY SCRIPT", "")


def serve(policy_hash: str = "", **more: Any) -> Callable[[FakeContainer, bytes], None]:
    """A sidecar that says that it serves, with the hash of the policy it was given, or another one."""

    def start(container: FakeContainer, config: bytes) -> None:
        from bottle_egress.config import parse

        line = {"bottle": "ready", "policy_hash": policy_hash or parse(config).policy_hash, "neighbours": [], **more}
        container.session.say(json.dumps(line).encode() + b"\n", Stream.STDOUT)

    return start


def backend(agent: Program | None = None, **more: Any) -> FakeBackend:
    """An engine in memory with the images of the plan."""
    made = FakeBackend(agent, **{"sidecar": serve(), **more})
    made.images = {"bottle/shell:test": ("PATH",), "bottle/egress:test": ("PATH",)}
    return made


def pairs() -> Iterator[tuple[IPv4Network, IPv4Network]]:
    """Subnets, as the command chooses them."""
    free = ipam.candidates(ipam.Pool.parse("10.231.0.0/16"), [], [], 1)
    return zip(free, free, strict=False)


def launch(engine: FakeBackend, folder: Path, terminal: Terminal, **more: Any) -> Launch:
    """A launch on that engine; `notes` collects what the user is told."""
    values: Mapping[str, bytes] = more.pop("values", VALUES)
    notes: list[str] = more.pop("notes", [])
    defaults: dict[str, Any] = {
        "plan": plan(),
        "backend": engine,
        "proxy": MitmproxyEgress(),
        "identity": IDENTITY,
        "record": Record(folder, IDENTITY.session),
        "subnets": pairs(),
        "values": lambda: values,
        "notify": notes.append,
        "interrupts": Interrupts(),
        "terminal": terminal,
    }
    return Launch(**{**defaults, **more})


NOWHERE = IPv4Address("10.231.0.5")
