"""Our policy in pipelock's words, and its log in ours."""

import json
from ipaddress import IPv4Network

import pytest

from bottle_core.egress.pipelock import PipelockEgress, configuration
from bottle_core.errors import PolicyError
from bottle_core.policy.egress import EgressPolicy, HostRule


def policy(*patterns: str, **more: object) -> EgressPolicy:
    return EgressPolicy(hosts=tuple(HostRule(pattern=pattern) for pattern in patterns), **more)  # type: ignore[arg-type]


def test_hosts_are_its_allowlist_and_the_mode_is_strict() -> None:
    made = configuration(policy("a.test", "b.test"))
    assert (made["mode"], made["enforce"], made["api_allowlist"]) == ("strict", True, ["a.test", "b.test"])
    assert made["forward_proxy"]["sni_verification"] is True


def test_nothing_granted_is_not_its_default_list() -> None:
    assert configuration(policy())["api_allowlist"] == ["nothing.invalid"]


def test_the_apex_of_a_wildcard_is_blocked_unless_it_is_granted_itself() -> None:
    assert configuration(policy("*.a.test"))["fetch_proxy"]["monitoring"]["blocklist"] == ["a.test"]
    assert configuration(policy("*.a.test", "a.test"))["fetch_proxy"]["monitoring"]["blocklist"] == []


def test_private_grants_are_the_only_internal_addresses_it_dials() -> None:
    made = configuration(policy("a.test", private_grants=(IPv4Network("10.1.2.0/24"),)))
    assert made["ssrf"] == {"ip_allowlist": ["10.1.2.0/24"]}
    for network in ("127.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16", "198.18.0.0/15", "203.0.113.0/24"):
        assert network in made["internal"]


def test_ports_of_ones_own_are_refused_as_it_has_no_words_for_them() -> None:
    granted = EgressPolicy(hosts=(HostRule(pattern="a.test", ports=(8443,)),))
    with pytest.raises(PolicyError) as caught:
        configuration(granted)
    assert caught.value.requirement == "NET-008"


@pytest.mark.parametrize("line", [b"", b"text", b"[]", b"{}", b'{"event":"blocked","status_code":"x"}', b"[" * 5000])
def test_other_lines_are_no_events(line: bytes) -> None:
    assert PipelockEgress().event(line, "s") is None


def test_a_block_becomes_an_event_without_query_values() -> None:
    entry = {
        "event": "blocked",
        "method": "GET",
        "url": "http://evil.test:8080/p?token=hunter2",
        "scanner": "allowlist",
        "reason": "domain not in allowlist: evil.test",
        "time": "2026-01-01T00:00:00Z",
    }
    event = PipelockEgress().event(json.dumps(entry).encode(), "s")
    assert event is not None
    assert (event.decision, event.rule, event.host, event.port) == ("blocked", "NET-006", "evil.test", 8080)
    assert "hunter2" not in event.model_dump_json()


def test_the_image_can_be_named_and_is_pinned_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOTTLE_PIPELOCK_IMAGE", raising=False)
    assert "@sha256:" in PipelockEgress().image.reference
    monkeypatch.setenv("BOTTLE_PIPELOCK_IMAGE", "mine:1")
    assert PipelockEgress().image.reference == "mine:1"
