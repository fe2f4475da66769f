"""Hosts that are granted without inspection: relayed as they are, to the checked address and under one name only."""

import json

import pytest

from tests.docker.test_proxy import raw, status, token
from tests.support.sidecar import Sidecar
from tests.support.upstreams import Upstreams
from tests.support.world import World

# CONNECT, TLS with a name, one request; prints who issued the server's certificate and what it answered.
PEEK = """
import json, os, socket, ssl, sys, time
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"]); target, sni, host, path, pieces = sys.argv[1:]
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
s = socket.create_connection((p.hostname, p.port), 5)
s.sendall(f"CONNECT {target}:443 HTTP/1.1\\r\\nHost: {target}:443\\r\\n\\r\\n".encode())
assert b" 200 " in s.recv(4096)
into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
t = context.wrap_bio(into, out, server_hostname=sni or None)
def flush():
    data = out.read()
    step = int(pieces) or len(data) or 1
    for at in range(0, len(data), step):
        s.sendall(data[at:at + step])
        if int(pieces): time.sleep(0.002)
def pump(action):
    while True:
        try:
            result = action(); flush(); return result
        except ssl.SSLWantReadError:
            flush()
            data = s.recv(65536)
            if not data: raise ConnectionError
            into.write(data)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1); s.settimeout(10)
try:
    pump(t.do_handshake)
    der = t.getpeercert(True)
    pump(lambda: t.write(f"GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n".encode()))
    print(json.dumps([b"bottle test world" in der, pump(lambda: t.read(4096)).decode()]))
except (OSError, ssl.SSLError):
    print(json.dumps([False, ""]))
"""


@pytest.mark.requirement("NET-005")
@pytest.mark.parametrize("pieces", ["0", "1"], ids=["whole", "byte by byte"])
def test_a_relayed_host_shows_its_own_certificate(sidecar: Sidecar, pieces: str) -> None:
    path = "/" + token()
    own, answer = sidecar.python(PEEK, "quiet.test", "quiet.test", "quiet.test", path, pieces)
    assert own
    assert status(answer) == 200
    event = sidecar.event(lambda event: event.host == "quiet.test" and event.reason == "relayed without inspection")
    assert (event.decision, event.scheme, event.sni, event.path) == ("allowed", "https", "quiet.test", "")
    assert event.bytes_up > 200
    assert event.bytes_down > 500


def test_an_inspected_host_does_not(sidecar: Sidecar) -> None:
    own, answer = sidecar.python(PEEK, "allowed.test", "allowed.test", "allowed.test", "/", "0")
    assert not own
    assert status(answer) == 200


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize("pieces", ["0", "1"], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("sni", ["blocked.test", "allowed.test", "quiet.test.evil.test"])
def test_another_name_in_tls_is_not_relayed(sidecar: Sidecar, world: World, sni: str, pieces: str) -> None:
    path = "/" + token()
    own, answer = sidecar.python(PEEK, "quiet.test", sni, sni, path, pieces)
    assert not own
    assert status(answer) in (0, 403)
    own, answer = sidecar.python(PEEK, "quiet.test", sni, "quiet.test", path, pieces)
    assert not own
    assert status(answer) in (0, 403)
    assert not any(path in request["request"] for request in world.requests)


@pytest.mark.requirement("NET-005")
def test_a_port_of_its_own_carries_any_protocol_if_granted_so(sidecar: Sidecar, upstreams: Upstreams) -> None:
    head = f"CONNECT tunnel.test:{upstreams.echo} HTTP/1.1\r\nHost: tunnel.test:{upstreams.echo}\r\n\r\n".encode()
    answer = raw(sidecar, head + b"SSH-2.0-test\r\n")
    assert answer.startswith("HTTP/1.1 200")
    assert answer.endswith("SSH-2.0-test\r\n")
    event = sidecar.event(lambda event: event.host == "tunnel.test" and event.reason == "relayed without inspection")
    assert (event.scheme, event.bytes_up, event.bytes_down) == ("tcp", 14, 14)


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize(
    "payload", [b"SSH-2.0-test\r\n", b"\x00\x01\x02", b"\x16", b"\x16\x03\x01\xff\xff\x02", b"EHLO x\r\n"]
)
def test_no_protocol_but_http_and_tls_goes_anywhere_else(
    sidecar: Sidecar, upstreams: Upstreams, payload: bytes
) -> None:
    # The beginning of TLS waits for its rest.
    others = ("quiet.test:80", "allowed.test:443", f"raw.test:{upstreams.echo}") if payload[:1] != b"\x16" else ()
    for authority in ("quiet.test:443", *others):
        answer = raw(sidecar, f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode() + payload)
        assert answer.startswith("HTTP/1.1 200"), answer
        assert not answer.encode("latin-1").endswith(payload)
        if payload[:1].isalpha() or payload[:1] == b"\0":
            # Whoever speaks something else hears so at once.
            assert "X-Bottle-Decision: blocked" in answer


@pytest.mark.requirement("NET-006")
def test_plain_http_to_a_relayed_host_is_checked(sidecar: Sidecar, world: World) -> None:
    path = token()
    tunnel = "CONNECT quiet.test:80 HTTP/1.1\r\nHost: quiet.test:80\r\n\r\n"
    answer = raw(sidecar, f"{tunnel}GET /{path} HTTP/1.1\r\nHost: blocked.test\r\n\r\n".encode())
    assert "HTTP/1.1 403" in answer
    assert not any(path in request["request"] for request in world.requests)


@pytest.mark.requirement("NET-007")
def test_a_relayed_name_that_leads_inside_is_refused(sidecar: Sidecar) -> None:
    answer = raw(sidecar, b"CONNECT rebind.test:443 HTTP/1.1\r\nHost: rebind.test:443\r\n\r\n")
    assert json.loads(answer.partition("\r\n\r\n")[2])["rule"] == "NET-007"


@pytest.mark.requirement("NET-007")
def test_a_relayed_name_is_looked_at_again_when_it_is_dialled(sidecar: Sidecar) -> None:
    """Between CONNECT and the first byte the name turns to loopback; nothing but the last look can see that."""
    program = """
import json, os, socket, ssl, time
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"])
s = socket.create_connection((p.hostname, p.port), 5)
s.sendall(b"CONNECT quiet.flip.test:443 HTTP/1.1\\r\\nHost: quiet.flip.test:443\\r\\n\\r\\n")
first = s.recv(4096).split(b"\\r\\n")[0].decode()
time.sleep(11)
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
try:
    with context.wrap_socket(s, server_hostname="quiet.flip.test"):
        print(json.dumps([first, "open"]))
except OSError:
    print(json.dumps([first, "closed"]))
"""
    first, end = sidecar.python(program)
    assert " 200 " in first
    assert end == "closed"
    event = sidecar.event(lambda event: event.host == "quiet.flip.test")
    assert (event.decision, event.rule) == ("blocked", "NET-007")
