"""The sidecar's own modules, as far as they need no mitmproxy: rules, guard, configuration, lines, neighbours."""

import json
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottle_core.egress.base import ProxyRequest
from bottle_core.egress.mitmproxy import MitmproxyEgress
from bottle_core.policy.egress import EgressPolicy, HostRule
from bottle_egress import config, guard, lines, neighbours
from bottle_egress.config import Rule
from bottle_egress.rules import judge

POLICY = EgressPolicy(
    hosts=(HostRule(pattern="a.test", ports=(443,)), HostRule(pattern="*.b.test"), HostRule(pattern="192.0.2.7")),
    private_grants=(IPv4Network("10.1.0.0/16"),),
    resolvers=(IPv4Address("10.1.0.1"),),
)
REQUEST = ProxyRequest(
    session="s-abcde",
    policy=POLICY,
    listen=IPv4Address("10.231.0.2"),
    internal_subnet=IPv4Network("10.231.0.0/29"),
    extra_ca="PEM",
)


def test_the_configuration_arrives_whole_and_its_hash_is_computed_there() -> None:
    parsed = config.parse(MitmproxyEgress().program(REQUEST).config)
    assert parsed.policy_hash == POLICY.policy_hash
    assert parsed.rules == (
        Rule("a.test", (443,), True),
        Rule("*.b.test", (80, 443), True),
        Rule("192.0.2.7", (80, 443), True),
    )
    assert (parsed.listen, parsed.port, parsed.resolvers) == ("10.231.0.2", 3128, ("10.1.0.1",))
    assert parsed.private_grants == (IPv4Network("10.1.0.0/16"),)


def test_another_policy_has_another_hash() -> None:
    document = json.loads(MitmproxyEgress().program(REQUEST).config)
    document["policy"] = document["policy"].replace("a.test", "evil.test")
    assert config.parse(json.dumps(document).encode()).policy_hash != POLICY.policy_hash


def test_parts_that_are_not_understood_are_not_enforced_silently() -> None:
    document = json.loads(MitmproxyEgress().program(REQUEST).config)
    document["policy"] = json.dumps({**json.loads(document["policy"]), "dlp": {}})
    with pytest.raises(ValueError, match="unknown"):
        config.parse(json.dumps(document).encode())


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"x", b'{"session": 1}'])
def test_a_broken_configuration_is_an_error(text: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        config.parse(text)


RULES = config.parse(MitmproxyEgress().program(REQUEST).config).rules


@pytest.mark.parametrize(
    ("host", "port", "requirement"),
    [
        ("a.test", 443, ""),
        ("A.Test", 443, ""),
        ("x.b.test", 80, ""),
        ("192.0.2.7", 443, ""),
        ("a.test", 80, "NET-008"),
        ("a.test", 22, "NET-008"),
        ("b.test", 443, "NET-006"),
        ("a.test.", 443, "NET-006"),
        ("evil.test", 443, "NET-006"),
        ("", 443, "NET-006"),
        ("a.test:443", 443, "NET-006"),
        ("3221225991", 443, "NET-006"),
        ("a" * 300, 443, "NET-006"),
    ],
)
def test_verdicts(host: str, port: int, requirement: str) -> None:
    verdict = judge(RULES, host, port)
    assert verdict.requirement == requirement
    assert (verdict.rule is None) == bool(requirement)
    assert bool(verdict.reason) == bool(requirement)


@given(st.text(max_size=60), st.integers(0, 65535))
def test_nothing_but_the_granted_names_passes(host: str, port: int) -> None:
    if judge(RULES, host, port).rule is not None:
        assert host.lower() in ("a.test", "192.0.2.7") or host.lower().endswith(".b.test")


OWN = [IPv4Network("10.231.0.0/29"), IPv4Network("10.231.0.8/29")]


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "10.1.2.3"])
def test_addresses_that_may_be_dialled(address: str) -> None:
    assert guard.refusal(IPv4Address(address), POLICY.private_grants, OWN) == ""


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8"),
    ],
)
def test_addresses_that_may_not(address: str) -> None:
    assert guard.refusal(IPv4Address(address), POLICY.private_grants, OWN)


def test_no_grant_opens_the_bottles_own_networks_or_loopback() -> None:
    everything = (IPv4Network("0.0.0.0/0"),)
    assert guard.refusal(IPv4Address("10.231.0.9"), everything, OWN)
    assert guard.refusal(IPv4Address("127.0.0.1"), everything, OWN)
    assert guard.refusal(IPv4Address("10.9.9.9"), everything, OWN) == ""


def test_own_networks_are_read_from_the_routing_table() -> None:
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0900E70A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0800E70A\t00000000\t0001\t0\t0\t0\tF8FFFFFF\t0\t0\t0\n"
        "eth1\t0000E70A\t00000000\t0001\t0\t0\t0\tF8FFFFFF\t0\t0\t0\n"
    )
    assert guard.own_networks(table) == [IPv4Network("10.231.0.8/29"), IPv4Network("10.231.0.0/29")]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a/b", "/a/b"),
        ("/a?x=1&y=secret", "/a?x=…&y=…"),
        ("/a?token", "/a?…"),
        ("/a?", "/a"),
        ("/a?%41=%20", "/a?%41=…"),
        ("*", "*"),
    ],
)
def test_query_values_are_cut(path: str, shown: str) -> None:
    assert lines.without_values(path) == shown


@given(st.text(max_size=80))
def test_a_value_never_survives(value: str) -> None:
    assert "hunter2" not in lines.without_values("/p?k=hunter2" + value.replace("hunter2", "").replace("#", ""))


def test_complete_entries_of_the_arp_table_are_neighbours() -> None:
    table = (
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.231.0.1       0x1         0x0         00:00:00:00:00:00     *        eth1\n"
        "10.231.0.3       0x1         0x2         02:42:0a:e7:00:03     *        eth1\n"
        "10.231.0.9       0x1         0x2         02:42:0a:e7:00:09     *        eth0\n"
    )
    assert neighbours.answered(table, IPv4Network("10.231.0.0/29")) == ["10.231.0.3"]


# The core's reader of the sidecar's lines


def test_a_ready_line_is_read() -> None:
    line = json.dumps({"bottle": "ready", "policy_hash": "sha256:x", "ca_certificate": "PEM", "forwarding": False})
    ready = MitmproxyEgress().ready(line.encode())
    assert ready is not None
    assert (ready.policy_hash, ready.forwarding, ready.neighbours) == ("sha256:x", False, None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"bottle": "event"}',
        b'{"bottle":"ready"}',
        b"[" * 9000,
        b'{"bottle":"event","seq":"x"}',
    ],
)
def test_other_lines_are_nothing(line: bytes) -> None:
    assert MitmproxyEgress().ready(line) is None
    assert MitmproxyEgress().event(line, "s") is None


def test_the_session_of_an_event_is_ours_not_what_the_line_says() -> None:
    line = {"bottle": "event", "time": "t", "session": "forged", "seq": 1, "decision": "blocked"}
    event = MitmproxyEgress().event(json.dumps(line).encode(), "real")
    assert event is not None
    assert event.session == "real"
