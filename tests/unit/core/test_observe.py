"""Every difference between bottle and spec is a finding with its requirement's id; none is none."""

from ipaddress import IPv4Address

import pytest

from bottle_core.egress.base import Ready
from bottle_core.observe import MalformedObservationError, compare, parse, strangers
from bottle_core.testing import observation
from tests.unit.core.support import assembled, plan

SPEC = assembled().spec
READY = Ready(policy_hash="x", neighbours=(), forwarding=False)
SEEN = observation(SPEC.agent).decode()


def found(text: str, ready: Ready = READY, names: tuple[str, ...] = ()) -> set[str]:
    return {finding.requirement for finding in compare(SPEC, parse(text.encode()), ready, names)}


def changed(old: str, new: str) -> str:
    assert old in SEEN
    return SEEN.replace(old, new)


def added(*lines: str) -> str:
    return SEEN.replace("end\n", "".join(f"{line}\n" for line in lines) + "end\n")


def test_a_bottle_as_specified_has_no_findings() -> None:
    assert found(SEEN) == set()


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        (added("route eth0 00000000 0302E70A 0003 0"), "NET-001"),
        (added("route eth0 0000A8C0 00000000 0001 0"), "NET-001"),
        (added("route eth0 00000000 0200E70A 0003 0"), "NET-001"),
        (added("address6 fe800000000000000042acfffe110002 02 40 20 80 eth0"), "NET-001"),
        (added("link  eth1: 0 0"), "NET-001"),
        (changed("link eth0: 0 0\n", ""), "NET-005"),
        (added("neighbour 10.231.0.1 0x1 0x2 02:42:0a:e7:00:01 * eth0"), "NET-002"),
        (added("host 172.17.0.1 host.docker.internal"), "NET-002"),
        (added("resolver nameserver 192.168.1.1"), "NET-003"),
        (added("resolver nameserver 127.0.0.11", "answer 127.0.0.11  0b 07 81 80 00 01 00 01 00 00 00 00"), "NET-003"),
        (added("resolver nameserver 127.0.0.11", "answer 127.0.0.11  0b 07 81 83 00 01 00 00 00 00 00 00"), "NET-003"),
        (added("resolver nameserver 127.0.0.11"), "NET-003"),
        (changed("first CapEff:\t0000000000000000", "first CapEff:\t0000000000002000"), "SEC-001"),
        (changed("self CapBnd:\t0000000000000000", "self CapBnd:\t00000000a80425fb"), "SEC-001"),
        (changed("first CapAmb:\t0000000000000000\n", ""), "SEC-001"),
        (changed("first NoNewPrivs:\t1", "first NoNewPrivs:\t0"), "SEC-002"),
        (changed("self Seccomp:\t2", "self Seccomp:\t0"), "SEC-003"),
        (changed("first Uid:\t1000\t1000\t1000\t1000", "first Uid:\t0\t0\t0\t0"), "SEC-004"),
        (changed("self Groups:", "self Groups:\t0"), "SEC-004"),
        (changed("/ / ro,relatime", "/ / rw,relatime"), "SEC-005"),
        (added("writable /etc"), "SEC-005"),
        (changed("rw,nosuid,nodev - tmpfs", "rw - tmpfs"), "SEC-005"),
        (added("mount 9 1 8:1 / /mnt ro - ext4 /dev/sda ro"), "SEC-008"),
        (added("device /dev/kvm"), "SEC-008"),
        (added("socket /run/docker.sock"), "SEC-008"),
        (changed("hostname bottle", "hostname workstation"), "SEC-009"),
        (added("export export AWS_SECRET_ACCESS_KEY"), "SECRET-003"),
    ],
)
def test_every_difference_names_its_requirement(text: str, requirement: str) -> None:
    assert requirement in found(text)


def test_a_default_route_to_nobody_is_none() -> None:
    """Docker 20.10 has one on internal networks; nobody answers there, which the neighbour check makes sure of."""
    assert strangers(SPEC)[0] == IPv4Address("10.231.0.1")
    assert found(added("route eth0 00000000 0100E70A 0003 0")) == set()


def test_a_resolver_that_knows_nothing_is_none() -> None:
    for answer in ("answer 127.0.0.11", "answer 127.0.0.11 0b 07 81 82 00 01 00 00 00 00 00 00"):
        assert found(added("resolver nameserver 127.0.0.11", answer)) == set()


def test_who_cannot_look_does_not_pass() -> None:
    blind = SEEN.replace("knocked\n", "").replace("neighbour", "unknown")
    assert found(blind, Ready(policy_hash="x")) == {"NET-002"}
    assert found(blind, READY) == set()
    assert "NET-003" in found(blind.replace("end\n", "resolver nameserver 127.0.0.11\nend\n"))


def test_what_the_sidecar_sees_counts() -> None:
    assert "NET-002" in found(SEEN, Ready(policy_hash="x", neighbours=(IPv4Address("10.231.0.1"),)))
    assert "NET-012" in found(SEEN, Ready(policy_hash="x", neighbours=(), forwarding=True))


def test_variables_of_the_image_are_no_finding() -> None:
    text = added("export export JAVA_VERSION")
    assert found(text) == {"SECRET-003"}
    assert found(text, names=("JAVA_VERSION",)) == set()


@pytest.mark.parametrize(
    "text", [b"", b"garbage", b"\xff" * 100, SEEN.encode()[:-4], SEEN.replace("version 1", "version 2").encode()]
)
def test_what_is_no_observation_is_an_error(text: bytes) -> None:
    with pytest.raises(MalformedObservationError):
        parse(text)


def test_a_value_with_newlines_can_not_fake_a_line() -> None:
    """Only whole `export NAME` lines name a variable; whatever else a value holds is ignored or a finding."""
    assert plan().policy.policy_hash.startswith("sha256:")
    assert found(added("export x y z; export FAKE")) == set()
