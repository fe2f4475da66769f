"""The sidecar's answers, asked of it alone: what is refused, how soon, and what the client and the upstream see."""

import json
import time
from typing import Any

import pytest

from tests.docker.test_proxy import raw, refused, status, token
from tests.support.sidecar import Sidecar
from tests.support.upstreams import SECRET, Upstreams
from tests.support.world import World


def explained(answer: str, code: int, rule: str) -> dict[str, Any]:
    """The body of a refusal, whose status, header, type and rule are as they have to be."""
    head, _, body = answer.partition("\r\n\r\n")
    assert status(answer) == code, answer
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    assert fields["content-type"] == "application/json"
    content: dict[str, Any] = json.loads(body)
    assert set(content) == {"decision", "rule", "host", "reason", "request"}
    assert content["rule"] == rule
    assert content["reason"]
    assert fields["x-bottle-decision"] == f"{content['decision']}; rule={rule or 'none'}".lower()
    assert "mitmproxy" not in answer
    return content


@pytest.mark.requirement("NET-009")
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "TRACE", "PUT"])
@pytest.mark.parametrize("target", ["/{t}", "*", "/{t}?x=http://allowed.test/"])
def test_what_is_not_asked_as_of_a_proxy_is_refused(sidecar: Sidecar, world: World, method: str, target: str) -> None:
    path = token()
    answer = raw(sidecar, f"{method} {target.replace('{t}', path)} HTTP/1.1\r\nHost: allowed.test\r\n\r\n".encode())
    explained(answer, 403, "NET-009")
    assert not any(path in request["request"] for request in world.requests)


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize(
    "head",
    [
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nX: a\r\n Host: blocked.test",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nX: a\rHost: blocked.test",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nX: a\0",
        "GET http://allowed.test/{t} HTTP/1.1\r\nX: y",
        "GET http://u:p@allowed.test/{t} HTTP/1.1\r\nHost: allowed.test",
        "GET http://allowed.test:80@allowed.test/{t} HTTP/1.1\r\nHost: allowed.test",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: u:p@allowed.test",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost : allowed.test",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 1\r\nContent-Length: 2",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: +1",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: identity",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked, x",
        "GET http://allowed.test/{t} HTTP/2.0\r\nHost: blocked.test",
        "GET  http://allowed.test/{t} x HTTP/1.1\r\nHost: allowed.test",
        "GET gopher://allowed.test:80/{t} HTTP/1.1\r\nHost: allowed.test",
        "CONNECT allowed.test:443 HTTP/1.1\r\nHost: blocked.test:443",
        "CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\nHost: blocked.test:443",
        "CONNECT allowed.test HTTP/1.1\r\nHost: allowed.test",
        "CONNECT http://allowed.test:443/{t} HTTP/1.1\r\nHost: allowed.test",
    ],
)
def test_heads_that_two_could_read_in_two_ways_are_refused(sidecar: Sidecar, world: World, head: str) -> None:
    path = token()
    answer = raw(sidecar, head.replace("{t}", path).encode() + b"\r\n\r\n")
    assert status(answer) in (400, 403), answer
    explained(answer, status(answer), "NET-006")
    assert not any(path in request["request"] for request in world.requests)


@pytest.mark.requirement("NET-006")
def test_a_refused_connect_says_why(sidecar: Sidecar) -> None:
    content = explained(
        raw(sidecar, b"CONNECT blocked.test:443 HTTP/1.1\r\nHost: blocked.test:443\r\n\r\n"), 403, "NET-006"
    )
    assert (content["decision"], content["host"]) == ("blocked", "blocked.test")


@pytest.mark.requirement("NET-006")
def test_a_refusal_does_not_wait_for_the_body(sidecar: Sidecar) -> None:
    begin = time.monotonic()
    head = b"POST http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\nContent-Length: 1000000\r\n\r\nstart"
    program = """
import json, os, socket, sys, time
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"]); begin = time.monotonic()
with socket.create_connection((p.hostname, p.port), 5) as s:
    s.settimeout(10); s.sendall(bytes.fromhex(sys.argv[1]))
    answer = b""
    while not answer.endswith(b"}\\n"):
        piece = s.recv(4096)
        if not piece:
            break
        answer += piece
    print(json.dumps([time.monotonic() - begin, answer.decode()]))
"""
    took, answer = sidecar.python(program, head.hex())
    assert took < 2
    explained(answer, 403, "NET-006")
    assert time.monotonic() - begin < 20


@pytest.mark.requirement("NET-006")
def test_a_refused_upload_reads_its_answer(sidecar: Sidecar) -> None:
    """The connection is not cut under a client that still sends."""
    done = sidecar.run(
        "sh",
        "-c",
        "head -c 20000000 /dev/zero | curl -sS -H Expect: -w '%{http_code}' --data-binary @- http://blocked.test/",
    )
    assert done.out.endswith("403"), done.err


@pytest.mark.requirement("NET-006")
def test_a_refused_head_has_no_body(sidecar: Sidecar) -> None:
    answer = raw(sidecar, b"HEAD http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\n\r\n")
    assert status(answer) == 403
    assert answer.endswith("\r\n\r\n")


@pytest.mark.requirement("NET-005")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_internationalised_name_works(sidecar: Sidecar, scheme: str) -> None:
    done = sidecar.curl(f"{scheme}://xn--bcher-kva.test/")
    assert done.out == "hello from xn--bcher-kva.test\n\n200", done.err


@pytest.mark.requirement("NET-005")
def test_a_granted_address_works(sidecar: Sidecar, world: World) -> None:
    assert sidecar.curl(f"http://{world.address}/").out.endswith("\n200")


@pytest.mark.requirement("NET-005")
def test_trailers_do_no_harm(sidecar: Sidecar, upstreams: Upstreams) -> None:
    body = "2\\r\\nab\\r\\n0\\r\\nX: y\\r\\n\\r\\n"
    head = "POST http://allowed.test/swallow HTTP/1.1\\r\\nHost: allowed.test\\r\\nTransfer-Encoding: chunked\\r\\nConnection: close"
    answer = raw(sidecar, f"{head}\\r\\n\\r\\n{body}".encode().decode("unicode_escape").encode())
    assert '"bytes": 2' in answer
    assert sidecar.curl(f"http://raw.test:{upstreams.trailers}/").out == "hello\n200"


@pytest.mark.requirement("NET-006")
def test_the_decision_field_is_the_proxys_own(sidecar: Sidecar, upstreams: Upstreams) -> None:
    assert "FORGED" not in sidecar.curl("-i", f"http://raw.test:{upstreams.trailers}/").out


def test_what_is_between_client_and_proxy_stays_there(sidecar: Sidecar, upstreams: Upstreams) -> None:
    done = sidecar.curl(
        "-H", "Proxy-Authorization: Basic eDp5", "-H", "X-Other: 1", f"http://raw.test:{upstreams.reflect}/"
    )
    assert "X-Other: 1" in done.out
    assert "proxy-" not in done.out.lower()


# Upstreams that fail


@pytest.mark.parametrize(("upstream", "scheme", "code"), [("full", "http", 504), ("silent", "https", 504)])
def test_an_upstream_that_does_not_speak_is_an_error_in_time(
    sidecar: Sidecar, upstreams: Upstreams, upstream: str, scheme: str, code: int
) -> None:
    begin = time.monotonic()
    done = sidecar.curl(f"{scheme}://raw.test:{getattr(upstreams, upstream)}/")
    assert time.monotonic() - begin < 30
    body, _, got = done.out.rpartition("\n")
    assert int(got) == code, done.out
    content = json.loads(body)
    assert (content["decision"], content["host"]) == ("error", "raw.test")
    assert "in time" in content["reason"]


@pytest.mark.parametrize("upstream", ["garbage", "twofold", "endless", "echo"])
def test_an_answer_that_cannot_be_read_is_an_error_without_its_content(
    sidecar: Sidecar, upstreams: Upstreams, upstream: str
) -> None:
    port = getattr(upstreams, upstream)
    path = token()
    answer = raw(sidecar, f"GET http://raw.test:{port}/{path} HTTP/1.1\r\nHost: raw.test:{port}\r\n\r\n".encode())
    content = explained(answer, 502, "")
    assert content["decision"] == "error"
    assert SECRET not in answer
    event = sidecar.event(lambda event: path in event.path)
    assert (event.decision, event.status) == ("error", 502)


def test_a_closed_port_is_an_error_with_the_host(sidecar: Sidecar, upstreams: Upstreams) -> None:
    done = sidecar.curl("http://closed.test:9/")
    content = json.loads(done.out.rpartition("\n")[0])
    assert (content["decision"], content["host"]) == ("error", "closed.test")
    assert done.out.endswith("\n502")


@pytest.mark.requirement("NET-006")
def test_the_proxy_asked_over_tls_is_no_way_around(sidecar: Sidecar, world: World) -> None:
    program = """
import json, os, socket, ssl, sys
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"])
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
answers = []
for line in json.loads(sys.argv[1]):
    with context.wrap_socket(socket.create_connection((p.hostname, p.port), 5), server_hostname="allowed.test") as s:
        s.settimeout(5); s.sendall(line.encode()); answers.append(s.recv(4096).decode())
print(json.dumps(answers))
"""
    path = token()
    heads = [
        f"GET /{path} HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        f"GET http://blocked.test/{path} HTTP/1.1\r\nHost: blocked.test\r\n\r\n",
        "CONNECT blocked.test:443 HTTP/1.1\r\nHost: blocked.test:443\r\n\r\n",
    ]
    answers = sidecar.python(program, json.dumps(heads))
    assert len(answers) == 3
    assert all(status(answer) == 403 for answer in answers), answers
    assert not any(path in request["request"] for request in world.requests)


@pytest.mark.requirement("NET-007")
def test_a_name_is_judged_again_when_it_is_dialled(sidecar: Sidecar) -> None:
    """What was checked at CONNECT has run out when the tunnel is used: the second look refuses."""
    program = """
import json, os, socket, ssl, time
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"])
s = socket.create_connection((p.hostname, p.port), 5)
s.sendall(b"CONNECT late.flip.test:443 HTTP/1.1\\r\\nHost: late.flip.test:443\\r\\n\\r\\n")
first = s.recv(4096).split(b"\\r\\n")[0].decode()
time.sleep(11)
with ssl.create_default_context().wrap_socket(s, server_hostname="late.flip.test") as t:
    t.sendall(b"GET / HTTP/1.1\\r\\nHost: late.flip.test\\r\\n\\r\\n")
    answer = b""
    while piece := t.recv(4096):
        answer += piece
    print(json.dumps([first, answer.decode()]))
"""
    first, answer = sidecar.python(program)
    assert " 200 " in first
    explained(answer, 403, "NET-007")
    assert refused(answer)
