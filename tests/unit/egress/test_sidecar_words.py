"""What the sidecar writes and says: no content of what passes, whatever a client or a server sends."""

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottle_core.egress.base import ProxyRequest
from bottle_core.egress.mitmproxy import MitmproxyEgress
from bottle_egress import config, lines, verdicts
from bottle_egress.verdicts import Verdict
from tests.unit.egress.test_sidecar_modules import REQUEST


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("Connection killed: NET-007 10.0.0.1 is private", Verdict(403, "blocked", "NET-007", "10.0.0.1 is private")),
        ("Connection killed: there is no host", Verdict(502, "error", "", "there is no host")),
        ("the host did not answer in time", Verdict(504, "error", "", "the host did not answer in time")),
        ("no TLS handshake in time", Verdict(504, "error", "", "no TLS handshake in time")),
        ("server closed connection", Verdict(502, "error", "", "server closed connection")),
        ("unexpected server response: b'hunter2'", Verdict(502, "error", "", "unexpected server response")),
        ("", Verdict(502, "error", "", "the other side can't be understood")),
    ],
)
def test_what_cannot_be_carried_out(message: str, verdict: Verdict) -> None:
    assert verdicts.of_upstream(message) == verdict


@pytest.mark.parametrize(
    "message",
    [
        "HTTP/1 protocol error: illegal chunk header: bytearray(b'hunter2')",
        'Cannot parse HTTP response: Bad HTTP response line: b"it\'s hunter2"',
        "Received invalid header name: b'hunter2' from server, refusing",
        "b'hunter2'",
        "x: b'one\\nhunter2'\nhunter2",
    ],
)
def test_the_librarys_messages_lose_what_they_quote(message: str) -> None:
    assert "hunter2" not in verdicts.without_content(message)
    assert verdicts.without_content(message)


@given(st.text(max_size=300))
def test_a_refusal_is_json_whatever_the_host(host: str) -> None:
    content = json.loads(verdicts.body(verdicts.MALFORMED, host))
    assert content["host"] == host[:253]
    assert (content["decision"], content["rule"]) == ("blocked", "NET-006")


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_any_path_can_be_written_down(path: str) -> None:
    json.dumps(lines.without_values(path))


@given(st.text(alphabet="?&;#=/[]:@%a", max_size=12), st.text(alphabet="?&;/[]:@%a", max_size=12))
def test_no_value_behind_a_name_is_written_down(before: str, after: str) -> None:
    assert "hunter2" not in lines.without_values(f"/p?{before}k=hunter2{after}".replace("==", "="))


def test_log_lines_are_one_line_without_traceback_and_content(capsys: pytest.CaptureFixture[str]) -> None:
    handler = lines.LogLines()
    try:
        raise ValueError("hunter2")
    except ValueError:
        caught = sys.exc_info()
    for message, info in (("", None), ("crashed", caught), ("x b'hunter2'\nhunter2", None)):
        handler.emit(logging.LogRecord("n", logging.ERROR, "f", 1, message, (), info))
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in said] == ["", "crashed ValueError", "x …"]
    assert all(set(line) == {"bottle", "level", "message"} for line in said)


def test_text_that_clients_choose_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    lines.event("s", "blocked", rule="NET-006", host="h" * 9999, path="p" * 9999, method="m" * 9999, sni="s" * 9999)
    assert len(capsys.readouterr().out) < 4000


def test_parts_of_a_rule_that_are_not_understood_are_not_ignored() -> None:
    document = json.loads(MitmproxyEgress().program(REQUEST).config)
    policy = json.loads(document["policy"])
    policy["hosts"][0]["methods"] = ["GET"]
    document["policy"] = json.dumps(policy)
    with pytest.raises(ValueError, match="methods"):
        config.parse(json.dumps(document).encode())


def test_the_request_has_what_the_sidecar_needs() -> None:
    assert isinstance(REQUEST, ProxyRequest)
    assert config.parse(MitmproxyEgress().program(REQUEST).config).extra_ca == "PEM"
