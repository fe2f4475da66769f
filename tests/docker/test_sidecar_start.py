"""The sidecar's start: what it says of itself, where its key is, and that a broken configuration serves nobody."""

import base64
import json
from ipaddress import IPv4Network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from bottle_core.images import ensure
from bottle_core.ipam import agent_address
from bottle_core.policy.egress import EgressPolicy
from bottle_core.spec import ImageSource
from bottle_docker.backend import DockerBackend
from tests.support import sidecar as sidecars
from tests.support.sidecar import Output, Sidecar


@pytest.mark.requirement("NET-013")
def test_it_says_which_policy_it_enforces(sidecar: Sidecar, policy: EgressPolicy) -> None:
    assert sidecar.ready.policy_hash == policy.policy_hash


@pytest.mark.requirement("NET-012")
def test_it_does_not_forward(sidecar: Sidecar) -> None:
    assert sidecar.ready.forwarding is False


@pytest.mark.requirement("NET-002")
def test_it_sees_its_client_and_nobody_else_beside_it(sidecar: Sidecar) -> None:
    api = sidecar.backend._api
    network = next(
        name for name in api.inspect_container(sidecar.client)["NetworkSettings"]["Networks"] if "internal" in name
    )
    subnet = IPv4Network(api.inspect_network(network)["IPAM"]["Config"][0]["Subnet"])
    assert sidecar.ready.neighbours == (agent_address(subnet),)


def test_its_authority_is_a_small_one_of_its_own(sidecar: Sidecar) -> None:
    certificate = x509.load_pem_x509_certificate(sidecar.ready.ca_certificate.encode())
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert "PRIVATE" not in sidecar.ready.ca_certificate


def test_java_gets_a_store_that_it_trusts(sidecar: Sidecar) -> None:
    store = base64.b64decode(sidecar.ready.trust_store)
    names = [
        entry.certificate.subject.rfc4514_string() for entry in pkcs12.load_pkcs12(store, b"changeit").additional_certs
    ]
    authority = x509.load_pem_x509_certificate(sidecar.ready.ca_certificate.encode())
    assert authority.subject.rfc4514_string() in names
    # The policy of these tests has hosts that are relayed: they show certificates of public authorities.
    assert len(names) > 50


@pytest.mark.requirement("SECRET-001")
def test_its_key_is_in_no_file(sidecar: Sidecar) -> None:
    search = "find / -xdev -type f -readable 2>/dev/null; find /run /tmp /dev/shm -type f 2>/dev/null"
    for name in (sidecar.name, sidecar.client):
        found = sidecar.backend.exec(
            name,
            ("sh", "-c", f"({search}) | grep -v -e ^/proc -e ^/sys | xargs grep -lI -e 'PRIVATE KEY-----$' --"),
            timeout=120,
        )
        held = [line for line in found.stdout.decode().split() if "/site-packages/" not in line]
        assert held == []
    listed = sidecar.backend.exec(sidecar.name, ("ls", "/run/bottle")).stdout.decode().split()
    assert "mitmproxy-ca.pem" not in listed
    assert "upstream.pem" in listed


@pytest.mark.requirement("SEC-001")
def test_it_runs_without_privileges(sidecar: Sidecar) -> None:
    lines = sidecar.backend.exec(sidecar.name, ("cat", "/proc/1/status")).stdout.decode().splitlines()
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    assert set(fields["Uid"] + fields["Gid"]) == {"65532"}
    assert {fields[name][0] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == ["1"]
    assert sidecar.backend.exec(sidecar.name, ("touch", "/x")).exit_code != 0


@pytest.mark.parametrize(
    "config",
    [b"", b"{}", b'{"session": "hunter2"', b"\xff\xfe hunter2", b"hunter2"],
    ids=["empty", "no fields", "cut", "bytes", "text"],
)
def test_a_broken_configuration_serves_nobody_and_is_not_repeated(policy: EgressPolicy, config: bytes) -> None:
    backend = DockerBackend()
    with sidecars.networks(backend) as (names, subnets):
        image = ensure(backend, ImageSource(recipe="egress"), lambda _line: None)
        spec, _ = sidecars.sidecar_spec(names, subnets, image, policy, "")
        try:
            output = Output(backend.start_sidecar(spec, config))
            assert backend.wait(spec.name).exit_code == 2
            output.join(10)
        finally:
            backend.remove("container", spec.name)
    assert [json.loads(line)["bottle"] for line in output.stdout] == ["log"]
    assert b"hunter2" not in b"".join(output.stdout) + output.stderr
    assert output.stderr == b""
    backend.close()
