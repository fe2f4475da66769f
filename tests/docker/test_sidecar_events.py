"""The record: every decision once, whatever the client writes, and nothing in it that may be a secret."""

import json

import pytest

from tests.docker.test_proxy import raw, token
from tests.support.sidecar import Sidecar
from tests.support.upstreams import SECRET, Upstreams


@pytest.mark.requirement("SECRET-001")
@pytest.mark.parametrize(
    ("tail", "shown"),
    [
        ("?k=hunter2", "?k=…"),
        ("?hunter2", "?…"),
        ("?a=hunter2;b=hunter2&c", "?a=…&b=…&…"),
        ("//[?k=hunter2", "//[?k=…"),
        ("//[::1", "//[::1"),
        ("?%ff=hunter2", "?%ff=…"),
        ("?k=hunter2#hunter2", "?k=…"),
        (":x@y?k=?hunter2", ":x@y?k=…"),
        ("/%00%0d%0a?%00=hunter2", "/%00%0d%0a?%00=…"),
    ],
)
def test_no_request_is_missing_from_the_record(sidecar: Sidecar, tail: str, shown: str) -> None:
    for host, decision in (("allowed.test", "allowed"), ("blocked.test", "blocked")):
        path = "/" + token()
        raw(sidecar, f"GET http://{host}{path}{tail} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        event = sidecar.event(lambda event, path=path: path in event.path)
        assert (event.decision, event.host, event.path) == (decision, host, path + shown)
        assert sum(path in event.path for event in sidecar.events()) == 1


@pytest.mark.parametrize(
    "bad", [b"nonsense\r\n\r\n", b"GET http://allowed.test/\xff HTTP/1.1\r\n\r\n", b"\x00" * 20 + b"\r\n\r\n"]
)
def test_what_cannot_be_read_is_recorded_too(sidecar: Sidecar, bad: bytes) -> None:
    before = max((event.seq for event in sidecar.events()), default=0)
    raw(sidecar, bad)
    event = sidecar.event(lambda event: event.seq > before)
    assert (event.decision, event.rule, event.status) == ("blocked", "NET-006", 400)


def test_what_is_still_open_is_recorded_before_it_ends(sidecar: Sidecar, upstreams: Upstreams) -> None:
    """A session may end, and its sidecar with it, while something runs."""
    path, port = token(), upstreams.silent
    program = """
import os, socket, sys, time
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"])
s = socket.create_connection((p.hostname, p.port), 5); s.sendall(sys.argv[1].encode().decode("unicode_escape").encode())
time.sleep(8); print("null")
"""
    head = f"GET http://raw.test:{port}/{path} HTTP/1.1\\r\\nHost: raw.test:{port}\\r\\n\\r\\n"
    sidecar.python(program, head)
    event = sidecar.event(lambda event: path in event.path)
    assert (event.decision, event.reason) == ("allowed", "still open")
    assert sidecar.event(lambda event: path in event.path and event.reason != "still open").ms >= 5000


def test_a_client_that_does_not_trust_the_proxy_is_recorded(sidecar: Sidecar) -> None:
    sidecar.run(
        "env",
        "-u",
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE=/usr/local/share/bottle/ca-certificates.crt",
        "curl",
        "-s",
        "https://pinned.wild.test/",
    )
    event = sidecar.event(lambda event: event.host == "pinned.wild.test")
    assert (event.decision, event.method, event.port) == ("error", "CONNECT", 443)


@pytest.mark.requirement("SECRET-001")
def test_neither_header_nor_body_nor_query_is_ever_printed(sidecar: Sidecar, upstreams: Upstreams) -> None:
    secrets = ("-H", f"Authorization: Bearer {SECRET}", "-H", f"Cookie: {SECRET}", "--data", SECRET)
    for url in (
        "http://allowed.test/swallow",
        "https://allowed.test/swallow",
        "http://blocked.test/",
        f"http://raw.test:{upstreams.garbage}/",
        f"http://raw.test:{upstreams.twofold}/",
        f"https://raw.test:{upstreams.echo}/",
        "http://allowed.test:81/",
    ):
        sidecar.curl(*secrets, f"{url}?{SECRET}&k={SECRET}")
    raw(sidecar, f"GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n{SECRET}\r\n\r\n".encode())
    raw(sidecar, f"{SECRET} {SECRET}\r\n\r\n".encode())
    raw(sidecar, f"GET http://allowed.test/ HTTP/1.1\r\nX: {SECRET}".encode())
    output = b"".join(sidecar.output.stdout)
    assert b"allowed.test" in output
    assert SECRET.encode() not in output
    assert all(json.loads(line)["bottle"] in ("ready", "event", "log") for line in sidecar.output.stdout)
    assert sidecar.output.stderr == b""


def test_the_numbers_of_events_have_no_gaps(sidecar: Sidecar) -> None:
    sidecar.curl("http://allowed.test/")
    numbers = [event.seq for event in sidecar.events()]
    assert numbers == list(range(1, len(numbers) + 1))
