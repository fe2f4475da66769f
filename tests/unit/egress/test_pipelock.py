"""Our policy in pipelock's words, and its log in ours."""

import hashlib
import json
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottle_core.egress.base import EgressEvent, ProxyRequest
from bottle_core.egress.pipelock import PUBLISHED, PipelockEgress
from bottle_core.egress.pipelock_config import INTERNAL, configuration
from bottle_core.errors import PolicyError
from bottle_core.policy.egress import EgressPolicy, HostRule
from bottle_core.policy.hosts import matches

INTERNAL_SUBNET, EGRESS_SUBNET = IPv4Network("10.231.0.0/29"), IPv4Network("10.231.0.8/29")


def policy(*patterns: str, **more: Any) -> EgressPolicy:
    return EgressPolicy(hosts=tuple(HostRule(pattern=pattern) for pattern in patterns), **more)


def request(granted: EgressPolicy) -> ProxyRequest:
    return ProxyRequest(
        session="probe-abcde",
        policy=granted,
        listen=IPv4Address("10.231.0.2"),
        internal_subnet=INTERNAL_SUBNET,
        egress_subnet=EGRESS_SUBNET,
    )


def made(*patterns: str, **more: Any) -> dict[str, Any]:
    return configuration(request(policy(*patterns, **more)))


# The document

GOLDEN = """
{
  "version": 1,
  "mode": "strict",
  "enforce": true,
  "explain_blocks": true,
  "api_allowlist": ["a.test", "*.b.test"],
  "internal": [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "2001:db8::/32", "fc00::/7", "fe80::/10", "ff00::/8",
    "10.231.0.0/29", "10.231.0.8/29"
  ],
  "ssrf": {"ip_allowlist": ["192.168.7.0/24"]},
  "forward_proxy": {
    "enabled": true,
    "max_tunnel_seconds": 2592000,
    "idle_timeout_seconds": 2592000,
    "sni_verification": true
  },
  "websocket_proxy": {"enabled": false},
  "tls_interception": {"enabled": false},
  "fetch_proxy": {
    "listen": "10.231.0.2:8888",
    "timeout_seconds": 86400,
    "max_response_mb": 16,
    "monitoring": {
      "blocklist": ["b.test"],
      "max_url_length": 1000000,
      "max_requests_per_minute": 1000000,
      "entropy_threshold": 8.0,
      "subdomain_entropy_threshold": 8.0
    }
  },
  "metrics_listen": "127.0.0.1:9090",
  "dlp": {"include_defaults": true, "scan_env": false},
  "request_body_scanning": {
    "enabled": true,
    "action": "block",
    "max_body_bytes": 33554432,
    "scan_headers": true,
    "header_mode": "sensitive"
  },
  "seed_phrase_detection": {"enabled": false},
  "response_scanning": {
    "enabled": true,
    "action": "warn",
    "include_defaults": false,
    "sse_streaming": {"enabled": false}
  },
  "media_policy": {"enabled": false},
  "browser_shield": {"enabled": false},
  "taint": {"enabled": false},
  "logging": {"format": "json", "output": "stdout", "include_allowed": true, "include_blocked": true},
  "sentry": {"enabled": false}
}
"""


def test_the_whole_document() -> None:
    assert made("a.test", "*.b.test", private_grants=(IPv4Network("192.168.7.0/24"),)) == json.loads(GOLDEN)


def test_nothing_granted_grants_nobody() -> None:
    assert made()["api_allowlist"] == ["nothing.invalid"]


@pytest.mark.parametrize(
    ("patterns", "blocked"),
    [
        (("*.a.test",), ["a.test"]),
        (("*.a.test", "a.test"), []),
        (("*.b.a.test", "*.a.test"), ["a.test"]),
        (("*.b.a.test", "*.c.test"), ["b.a.test", "c.test"]),
        (("a.test",), []),
    ],
)
def test_the_apex_of_a_wildcard_is_blocked_unless_another_rule_grants_it(
    patterns: tuple[str, ...], blocked: list[str]
) -> None:
    assert made(*patterns)["fetch_proxy"]["monitoring"]["blocklist"] == blocked


def theirs(document: dict[str, Any], host: str) -> bool:
    """Whether pipelock lets a host pass: its `*.x` matches x too, and its list of blocked hosts comes after."""

    def match(pattern: str) -> bool:
        return host == pattern or (pattern.startswith("*.") and (host == pattern[2:] or host.endswith(pattern[1:])))

    blocked = document["fetch_proxy"]["monitoring"]["blocklist"]
    return any(map(match, document["api_allowlist"])) and not any(map(match, blocked))


_NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=2, max_size=4).map(".".join)
_PATTERNS = st.lists(st.tuples(st.sampled_from(["", "*."]), _NAMES).map("".join), max_size=5)


@given(_PATTERNS, _NAMES)
def test_its_words_mean_what_ours_do(patterns: list[str], host: str) -> None:
    assert theirs(made(*patterns), host) == any(matches(pattern, host) for pattern in patterns)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_every_address_that_is_not_public_counts_as_internal_and_no_other(address: IPv4Address) -> None:
    public = address.is_global and not address.is_multicast
    inside = any(address in network for network in map(ip_network, INTERNAL) if network.version == 4)
    # Two addresses of 192.0.0.0/24 are public since RFC 7723 and 8155; newer Pythons know.
    assert inside == (not public or address in IPv4Network("192.0.0.0/24"))


def test_no_range_is_one_that_it_reads_as_all_of_ipv4() -> None:
    for network in (ip_network(text) for text in INTERNAL):
        assert network.version == 4 or ip_address("::ffff:8.8.8.8") not in network


@pytest.mark.parametrize(
    ("grant", "left"),
    [
        ("192.168.7.0/24", ["192.168.7.0/24"]),
        ("10.231.0.0/29", []),
        ("10.231.0.9/32", []),
        ("10.231.0.0/27", ["10.231.0.16/28"]),
    ],
)
def test_no_grant_opens_the_sidecars_own_networks(grant: str, left: list[str]) -> None:
    document = made("a.test", private_grants=(IPv4Network(grant),))
    assert document["ssrf"]["ip_allowlist"] == left


def test_a_wide_grant_still_opens_the_rest() -> None:
    document = made("a.test", private_grants=(IPv4Network("10.0.0.0/8"),))
    opened = [IPv4Network(text) for text in document["ssrf"]["ip_allowlist"]]
    assert sum(network.num_addresses for network in opened) == 2**24 - 16
    assert not any(network.overlaps(own) for network in opened for own in (INTERNAL_SUBNET, EGRESS_SUBNET))


def test_ports_of_ones_own_are_refused_as_it_has_no_words_for_them() -> None:
    granted = EgressPolicy(hosts=(HostRule(pattern="a.test", ports=(443, 8443)),))
    with pytest.raises(PolicyError) as caught:
        configuration(request(granted))
    assert caught.value.requirement == "NET-008"
    assert "8443" in str(caught.value)


# The program


def test_an_empty_document_can_not_start_it() -> None:
    program = PipelockEgress().program(request(policy("a.test")))
    argv = program.argv
    assert argv[argv.index("--mode") + 1] == "strict"
    assert program.env == {}
    assert program.health == ()


def startup(config: bytes) -> bytes:
    line = {"component": "pipelock", "event": "startup", "config_hash": hashlib.sha256(config).hexdigest()}
    return json.dumps(line).encode()


def test_it_is_ready_with_the_policy_whose_document_it_has_read() -> None:
    proxy, first, second = PipelockEgress(), policy("a.test"), policy("b.test")
    configs = {granted: proxy.program(request(granted)).config for granted in (first, second)}
    for granted, config in configs.items():
        ready = proxy.ready(startup(config))
        assert ready is not None
        assert ready.policy_hash == granted.policy_hash
        assert ready.ca_certificate == ""


def test_a_document_that_nobody_sent_is_no_policy_of_ours() -> None:
    proxy = PipelockEgress()
    proxy.program(request(policy("a.test")))
    ready = proxy.ready(startup(b""))
    assert ready is not None
    assert ready.policy_hash != policy("a.test").policy_hash
    assert not ready.policy_hash.startswith("sha256:")


def test_the_image_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOTTLE_PIPELOCK_IMAGE", raising=False)
    assert PipelockEgress().image.reference == PUBLISHED
    monkeypatch.setenv("BOTTLE_PIPELOCK_IMAGE", "mine:1")
    assert PipelockEgress().image.reference == "mine:1"


# The log


def event(**fields: Any) -> EgressEvent | None:
    line = {"component": "pipelock", "time": "2026-01-01T00:00:00Z", "request_id": "req-7", **fields}
    return PipelockEgress().event(json.dumps(line).encode(), "probe-abcde")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"event": "tunnel_open", "target": "a.test:443"},
            {"decision": "allowed", "method": "CONNECT", "host": "a.test", "port": 443},
        ),
        (
            {
                **{"event": "forward_http", "method": "POST", "url": "http://a.test:8080/p?token=hunter2&x"},
                **{"status_code": 201, "size_bytes": 5, "duration_ms": 1.7},
            },
            {
                **{"decision": "allowed", "method": "POST", "scheme": "http", "host": "a.test", "port": 8080},
                **{"path": "/p?token=…&x=…", "status": 201, "bytes_down": 5, "ms": 1},
            },
        ),
        (
            {
                **{"event": "blocked", "method": "CONNECT", "target": "evil.test:443", "scanner": "allowlist"},
                "reason": "domain not in allowlist: evil.test",
            },
            {
                **{"decision": "blocked", "rule": "NET-006", "method": "CONNECT", "host": "evil.test", "port": 443},
                "reason": "domain not in allowlist: evil.test",
            },
        ),
        (
            {"event": "blocked", "method": "GET", "url": "http://b.test/", "scanner": "blocklist", "reason": "r"},
            {
                **{"decision": "blocked", "rule": "NET-006", "method": "GET", "scheme": "http", "host": "b.test"},
                **{"port": 80, "path": "/", "reason": "r"},
            },
        ),
        (
            {"event": "blocked", "method": "CONNECT", "target": "p.test:22", "scanner": "ssrf", "reason": "r"},
            {
                "decision": "blocked",
                "rule": "NET-007",
                "method": "CONNECT",
                "host": "p.test",
                "port": 22,
                "reason": "r",
            },
        ),
        (
            {
                **{"event": "blocked", "method": "CONNECT", "target": "n.test:443", "scanner": "ssrf"},
                "reason": "SSRF check failed: DNS resolution error for n.test: no such host",
            },
            {
                **{"decision": "error", "method": "CONNECT", "host": "n.test", "port": 443},
                "reason": "SSRF check failed: DNS resolution error for n.test: no such host",
            },
        ),
        (
            {
                **{"event": "error", "method": "GET", "url": "http://flip.test/?k=hunter2"},
                "error": 'Get "http://flip.test/?k=hunter2": SSRF blocked: flip.test resolves to internal IP 127.0.0.1',
            },
            {
                **{"decision": "blocked", "rule": "NET-007", "method": "GET", "scheme": "http", "host": "flip.test"},
                **{"port": 80, "path": "/?k=…"},
                "reason": 'Get "http://flip.test/…": SSRF blocked: flip.test resolves to internal IP 127.0.0.1',
            },
        ),
        (
            {"event": "error", "method": "CONNECT", "target": "a.test:443", "error": "dial tcp: refused"},
            {"decision": "error", "method": "CONNECT", "host": "a.test", "port": 443, "reason": "dial tcp: refused"},
        ),
        (
            {"event": "sni_mismatch", "connect_host": "a.test", "sni_host": "evil.test", "category": "mismatch"},
            {
                **{"decision": "blocked", "rule": "NET-006", "method": "CONNECT", "host": "a.test", "port": 443},
                **{"sni": "evil.test", "reason": "TLS does not name the host that CONNECT named: mismatch"},
            },
        ),
        (
            {
                **{"event": "header_dlp", "method": "GET", "url": "http://a.test/", "action": "block"},
                "patterns": ["GitHub Token"],
            },
            {
                **{"decision": "blocked", "method": "GET", "scheme": "http", "host": "a.test", "port": 80, "path": "/"},
                "reason": "a credential in the request: GitHub Token",
            },
        ),
        (
            {"event": "body_dlp", "method": "PUT", "url": "http://a.test/", "action": "warn", "patterns": None},
            {
                **{"decision": "flagged", "method": "PUT", "scheme": "http", "host": "a.test", "port": 80, "path": "/"},
                "reason": "a credential in the request: ",
            },
        ),
        (
            {
                **{"event": "response_scan", "method": "GET", "url": "http://a.test/", "action": "warn"},
                "patterns": ["Role Override"] * 2000 + ["Hidden Instruction"],
            },
            {
                **{"decision": "flagged", "method": "GET", "scheme": "http", "host": "a.test", "port": 80, "path": "/"},
                "reason": "the answer reads like orders to an agent: Hidden Instruction, Role Override",
            },
        ),
        (
            {"event": "forward_http", "method": "GET", "url": "http://a.test/", "size_bytes": 16 * 1024**2},
            {
                **{"decision": "flagged", "method": "GET", "scheme": "http", "host": "a.test", "port": 80, "path": "/"},
                **{"bytes_down": 16 * 1024**2, "reason": "the answer was cut at 16 MiB; only TLS carries more"},
            },
        ),
        (
            {"event": "blocked", "method": "CONNECT", "target": "[2001:db8::1]:443", "scanner": "allowlist"},
            {"decision": "blocked", "rule": "NET-006", "method": "CONNECT", "host": "2001:db8::1", "port": 443},
        ),
    ],
)
def test_decisions_become_events(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = event(**fields)
    assert found is not None
    assert found.model_dump(exclude_defaults=True) == {
        **{"time": "2026-01-01T00:00:00Z", "session": "probe-abcde", "seq": 7},
        **expected,
    }
    assert "hunter2" not in found.model_dump_json()


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "startup", "listen": "10.231.0.2:8888"},
        {"event": "anomaly", "method": "STARTUP", "resource": "10.231.0.2:8888", "reason": "r"},
        {"event": "tunnel_close", "target": "a.test:443", "total_bytes": 7},
        {"event": "redirect", "original_url": "http://a.test/", "redirect_url": "http://b.test/"},
        {"event": "blocked"},
        {"event": ["blocked"]},
        {"event": "blocked", "url": "http://[", "scanner": "parser"},
        {"event": "blocked", "target": "a.test:99999", "scanner": "allowlist"},
    ],
)
def test_other_lines_report_no_decision(fields: dict[str, Any]) -> None:
    assert event(**fields) is None


@pytest.mark.parametrize(
    "line", [b"", b"text", b"[]", b"{}", b"1", b"\xff\xfe", b"[" * 100_000, b'{"event":"startup"}']
)
def test_lines_of_others_are_nothing(line: bytes) -> None:
    proxy = PipelockEgress()
    assert proxy.event(line, "s") is None
    assert proxy.ready(line) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = st.sampled_from(
    [
        *("event", "target", "connect_host", "url", "method", "reason", "error", "scanner", "request_id", "time"),
        *("status_code", "size_bytes", "duration_ms", "patterns", "action", "config_hash"),
    ]
)
_KINDS = st.sampled_from(["blocked", "error", "tunnel_open", "forward_http", "sni_mismatch", "header_dlp", "startup"])


@given(st.dictionaries(_FIELDS, _JSON), _KINDS | _JSON)
def test_no_line_makes_it_fail(fields: dict[str, Any], kind: Any) -> None:
    line = json.dumps({"component": "pipelock", "url": "http://a.test/", **fields, "event": kind}).encode()
    proxy = PipelockEgress()
    proxy.event(line, "s")
    proxy.ready(line)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(line: bytes) -> None:
    proxy = PipelockEgress()
    proxy.event(line, "s")
    proxy.ready(line)
