"""What a plan becomes, as files to read: the spec, and the engine's own JSON. `BOTTLE_UPDATE_GOLDEN=1` rewrites them."""

import json
import os
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from bottle_core import preflight
from bottle_core.egress.base import ProxyRequest
from bottle_core.egress.pipelock_config import configuration
from bottle_core.policy.egress import EgressPolicy, HostRule
from bottle_docker import translate
from tests.unit.core.support import SUBNETS, assembled, plan

HERE = Path(__file__).parent
MADE = assembled()


def check(name: str, content: str) -> None:
    file = HERE / name
    if os.environ.get("BOTTLE_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == content


def pretty(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def test_plan() -> None:
    check("plan.json", pretty(plan().model_dump(mode="json")))


def test_preflight() -> None:
    check("preflight.txt", preflight.render(plan()) + "\n")


def test_spec() -> None:
    check("spec.json", pretty(MADE.spec.model_dump(mode="json")))


@pytest.mark.parametrize("index", [0, 1])
def test_docker_network(index: int) -> None:
    network = MADE.spec.networks[index]
    check(f"docker/network-{network.role}.json", pretty(translate.network(network)))


def test_docker_agent() -> None:
    check("docker/agent.json", pretty(translate.agent(MADE.spec.agent, init=True)))


def test_docker_sidecar() -> None:
    check("docker/sidecar.json", pretty(translate.sidecar(MADE.spec.sidecar, init=True)))


def test_the_sidecars_configuration_is_the_policy_itself() -> None:
    document = json.loads(MADE.program.config)
    check("mitmproxy.json", pretty({**document, "policy": json.loads(document["policy"])}))


def test_pipelocks_configuration() -> None:
    policy = EgressPolicy(
        hosts=(HostRule(pattern="example.org"), HostRule(pattern="*.example.net")),
        private_grants=(IPv4Network("10.9.0.0/16"),),
    )
    request = ProxyRequest(
        session="worker-abcde",
        policy=policy,
        listen=IPv4Address("10.231.0.2"),
        internal_subnet=SUBNETS[0],
        egress_subnet=SUBNETS[1],
    )
    check("pipelock.json", pretty(configuration(request)))
