"""The pipelock sidecar with the real program: what it keeps, and that it lacks just what it says it lacks.

Its image comes from a registry. Without one, and without BOTTLE_PIPELOCK_IMAGE, these tests have nothing to run.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bottle_core.capabilities import EgressCapability
from bottle_core.egress.pipelock import IMAGE_VARIABLE, PipelockEgress
from bottle_core.egress.pipelock_config import ANSWER_MIB
from bottle_core.exitcodes import ExitCode
from bottle_core.policy.egress import EgressPolicy
from bottle_docker.backend import DockerBackend
from tests.conftest import missing
from tests.docker.test_proxy import LOOK_ALIKES, TLS, refused, status, token
from tests.support import inside, leaks
from tests.support.cli import User
from tests.support.inside import Inside
from tests.support.world import World

DECLARED = PipelockEgress.capabilities
HOSTS = (
    *("allowed.test", "*.wild.test", "rebind.test", "metadata.test", "private.test", "mixed.test", "flip.test"),
    *("nowhere.test", "unspecified.test", "redirect.test", "once.test", "q7x2k9v4m1z8w5b3.allowed.test"),
)


@pytest.fixture(scope="module")
def image() -> str:
    """The image's reference, if it is here or can be had."""
    if missing("docker"):
        pytest.skip("no engine")
    backend = DockerBackend()
    reference = PipelockEgress().image.reference
    present = backend.image_size(reference) is not None
    because = "" if present else backend.can_pull(reference, 3)
    backend.close()
    if because:
        pytest.skip(f"the image {reference} is not here and can't be pulled: {because}")
    return reference


def somebody(home: Any, world: World) -> User:
    person = User(home)
    person.variables.update(world.environment())
    if IMAGE_VARIABLE in os.environ:
        person.variables[IMAGE_VARIABLE] = os.environ[IMAGE_VARIABLE]
    return person


@pytest.fixture(scope="module")
def bottle(image: str, tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Inside]:
    person = somebody(tmp_path_factory.mktemp("pipelock"), world)
    egress = world.egress(*HOSTS, proxy="pipelock")
    person.write({"b": {"egress": egress}}, {"locked": {"bottle": "b", "agent": "shell", "command": inside.COMMAND}})
    with inside.running(person, "locked") as running:
        yield running


# Sends raw bytes to the proxy and prints so many heads of its answers, with what came along.
RAW = """
import json, os, socket, sys
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])
with socket.create_connection((proxy.hostname, proxy.port), 5) as s:
    s.settimeout(10)
    s.sendall(bytes.fromhex(sys.argv[1]))
    data = b""
    try:
        while data.count(b"\\r\\n\\r\\n") < int(sys.argv[2]) and (piece := s.recv(4096)):
            data += piece
    except TimeoutError:
        data = data or b"hang"
    except ConnectionError:
        pass
print(json.dumps(data.decode("latin-1")))
"""


def raw(bottle: Inside, request: bytes, heads: int = 1) -> str:
    answer: str = bottle.python(RAW, request.hex(), str(heads))
    return answer


def connect(bottle: Inside, authority: str) -> str:
    return raw(bottle, f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("utf-8", "surrogateescape"))


def logged(bottle: Inside, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first event that is wanted; an event may come a moment after the answer."""
    for _ in range(50):
        if found := next(filter(wanted, bottle.user.events()), None):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no such event: {bottle.user.events()[-5:]}")


def arrived(world: World, path: str) -> bool:
    return any(path in request["request"] for request in world.requests)


# What is granted works


@pytest.mark.requirement("NET-005")
@pytest.mark.parametrize("url", ["http://allowed.test/", "https://allowed.test/", "https://a.b.wild.test/"])
def test_allowed_hosts_answer(bottle: Inside, url: str) -> None:
    done = bottle.curl(url)
    assert done.out.startswith("hello from")
    assert done.out.endswith("\n200"), done.err


@pytest.mark.requirement("NET-005")
def test_a_name_that_looks_random_is_a_name(bottle: Inside) -> None:
    assert bottle.curl("https://q7x2k9v4m1z8w5b3.allowed.test/").out.endswith("\n200")
    query = "x=" + "".join(chr(c) for c in range(ord("0"), ord("z")) if chr(c).isalnum())
    assert bottle.curl(f"http://allowed.test/?{query}&{'y' * 3000}").out.endswith("\n200")


def digest(size: int) -> str:
    return hashlib.sha256(bytes(range(256)) * (size // 256)).hexdigest()


@pytest.mark.requirement("NET-005")
@pytest.mark.parametrize(("scheme", "size"), [("https", 100 * 1024**2), ("http", 4 * 1024**2)])
def test_a_large_download_is_whole(bottle: Inside, scheme: str, size: int) -> None:
    done = bottle.shell(f"curl -sS {scheme}://allowed.test/bytes/{size} | sha256sum", 120)
    assert done.out.split() == [digest(size), "-"]


def test_a_larger_one_in_the_clear_is_cut_and_the_log_says_so(bottle: Inside) -> None:
    whole, kept = 20 * 1024**2, ANSWER_MIB * 1024**2
    done = bottle.shell(f"curl -sS http://allowed.test/bytes/{whole} | sha256sum", 120)
    assert done.out.split() == [digest(kept), "-"]
    cut = logged(bottle, lambda e: e["path"] == f"/bytes/{whole}")
    assert (cut["decision"], cut["bytes_down"]) == ("flagged", kept)


@pytest.mark.requirement("NET-005")
@pytest.mark.parametrize(("scheme", "size"), [("https", 50 * 1024**2), ("http", 20 * 1024**2)])
def test_a_large_upload_arrives(bottle: Inside, scheme: str, size: int) -> None:
    done = bottle.shell(
        f"head -c {size} /dev/zero | curl -sS --data-binary @- -H Expect: {scheme}://allowed.test/swallow", 120
    )
    assert json.loads(done.out)["bytes"] == size, done.err


@pytest.mark.requirement("NET-005")
def test_many_requests_are_no_offence(bottle: Inside) -> None:
    done = bottle.shell("for n in {1..150}; do echo url = http://allowed.test/$n; done | curl -sS -o /dev/null -K -")
    assert (done.code, done.err) == (0, "")
    assert bottle.curl("https://allowed.test/").out.endswith("\n200")


@pytest.mark.requirement("NET-005")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_event_stream_is_not_buffered(bottle: Inside, scheme: str) -> None:
    program = """
import json, sys, time, urllib.request
begin = time.monotonic(); seen = []
with urllib.request.urlopen(sys.argv[1] + "://allowed.test/events?n=4&interval=0.5") as answer:
    for line in answer:
        if line.startswith(b"data:"):
            seen.append(time.monotonic() - begin)
print(json.dumps(seen))
"""
    seen: list[float] = bottle.python(program, scheme)
    assert len(seen) == 4
    assert seen[-1] - seen[0] > 1.0


# What is not granted doesn't


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize("name", ["blocked.test", "wild.test", "evil.allowed.test", "198.18.77.1"])
def test_other_hosts_are_refused_with_a_reason(bottle: Inside, world: World, name: str) -> None:
    path = token()
    for answer in (connect(bottle, f"{name}:443"), raw(bottle, f"GET http://{name}/{path} HTTP/1.1\r\n\r\n".encode())):
        assert status(answer) in (400, 403)
    done = bottle.curl(f"http://{name}/{path}")
    assert done.out.endswith("\n403")
    assert name in done.out
    assert not arrived(world, path)
    assert name not in world.queries


# With its dot at the end it is the same host in the DNS; pipelock takes it for that. See docs/egress.md.
SAME_HOST = "allowed.test."


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize("name", [name for name in LOOK_ALIKES if name != SAME_HOST])
def test_look_alikes_reach_nobody(bottle: Inside, world: World, name: str) -> None:
    path = token()
    tunnel = connect(bottle, f"{name}:443")
    plain = raw(bottle, f"GET http://{name}/{path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
    for answer in (tunnel, plain):
        # 404: without a host it is a request for a page of its own; 502: a name that it could not resolve.
        assert refused(answer) or status(answer) in (404, 502), answer
    assert not arrived(world, path)


@pytest.mark.requirement("NET-006")
def test_a_dot_at_the_end_leads_to_the_granted_host_only(bottle: Inside) -> None:
    assert bottle.curl(f"http://{SAME_HOST}/").out.startswith("hello from allowed.test")
    assert bottle.curl("http://blocked.test./").out.endswith("\n403")
    assert bottle.curl("http://wild.test./").out.endswith("\n403")


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize("sni", ["blocked.test", "a.wild.test"])
def test_tls_has_to_name_the_host_that_connect_named(bottle: Inside, world: World, sni: str) -> None:
    path = "/" + token()
    assert bottle.python(TLS, "allowed.test", sni, "allowed.test", path) == ""
    assert not arrived(world, path)
    event = logged(bottle, lambda e: e["sni"] == sni)
    assert (event["decision"], event["rule"]) == ("blocked", "NET-006")


@pytest.mark.requirement("NET-006")
@pytest.mark.parametrize(
    "request_text",
    [
        "GET http://blocked.test/{t} HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        "GET http://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\nHost: blocked.test\r\n\r\n",
        "GET http://user:pw@blocked.test/{t} HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        "GET http://allowed.test@blocked.test/{t} HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        "GET http://blocked.test/{t}\r\nHost: allowed.test\r\n\r\n",
        "CONNECT blocked.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n",
        "GET ftp://allowed.test/{t} HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        "GET /fetch?url=http://blocked.test/{t} HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_requests_that_contradict_themselves_reach_nobody(bottle: Inside, world: World, request_text: str) -> None:
    path = token()
    answer = raw(bottle, request_text.replace("{t}", path).encode())
    assert refused(answer), answer
    assert not arrived(world, path)


@pytest.mark.requirement("NET-006")
def test_the_host_field_does_not_choose_the_host(bottle: Inside, world: World) -> None:
    path = token()
    raw(bottle, f"GET http://allowed.test/{path} HTTP/1.1\r\nHost: blocked.test\r\nConnection: close\r\n\r\n".encode())
    assert {request["host"] for request in world.requests if path in request["request"]} == {"allowed.test"}


@pytest.mark.requirement("NET-006")
def test_a_redirect_is_judged_anew(bottle: Inside) -> None:
    done = bottle.curl("http://allowed.test/redirect?to=http://blocked.test/")
    assert done.out.endswith("\n403")


@pytest.mark.requirement("NET-007")
@pytest.mark.parametrize(
    "name", ["private.test", "rebind.test", "metadata.test", "mixed.test", "unspecified.test", "127.0.0.1"]
)
def test_private_addresses_are_refused(bottle: Inside, name: str) -> None:
    assert status(connect(bottle, f"{name}:443")) == 403
    assert bottle.curl("--noproxy", "", f"http://{name}/").out.endswith("\n403")


@pytest.mark.requirement("NET-007")
def test_a_name_that_changes_its_mind_leads_nowhere(bottle: Inside, world: World) -> None:
    for _ in range(3):
        assert status(connect(bottle, f"{token()}.flip.test:443")) == 403
    answer = connect(bottle, "flip.test:443")
    assert status(answer) in (403, 502)
    decided = [e for e in bottle.user.events() if e["host"] == "flip.test"]
    assert {(e["decision"], e["rule"]) for e in decided} == {("blocked", "NET-007")}


# What it says that it can't do, it can't, and nothing more


@pytest.mark.requirement("NET-008")
def test_other_ports_are_open_just_as_declared(bottle: Inside) -> None:
    is_open = status(connect(bottle, "allowed.test:8443")) == 200
    assert is_open == (EgressCapability.PORT_CONTROL not in DECLARED)


@pytest.mark.requirement("NET-009")
def test_its_pages_answer_just_as_declared(bottle: Inside) -> None:
    place = bottle.network
    authority = f"{place['proxy']}:{place['port']}"
    pages = ("/health", "/metrics", "/stats", "/ws", "/api/v1/sessions", "/api/v1/killswitch", "/debug/pprof/", "/")
    answers = {
        page: status(raw(bottle, f"GET {page} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())) for page in pages
    }
    # 405: there is a switch, and without a token nobody can use it; see the next test.
    answering = {page for page, code in answers.items() if code not in (401, 403, 404, 405)}
    assert (answering == set()) == (EgressCapability.CLOSED_MANAGEMENT in DECLARED), answers
    assert answering <= {"/health"}, answers
    assert "healthy" in raw(bottle, f"GET /health HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())


@pytest.mark.requirement("NET-009")
def test_it_can_not_be_switched_off_by_the_agent(bottle: Inside) -> None:
    place = bottle.network
    authority = f"{place['proxy']}:{place['port']}"
    head = f"POST /api/v1/killswitch HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n"
    raw(bottle, (head + 'Content-Length: 15\r\n\r\n{"active":true}').encode())
    assert bottle.curl("https://allowed.test/").out.endswith("\n200")


@pytest.mark.requirement("NET-009")
def test_it_listens_on_one_port_only(bottle: Inside) -> None:
    place = bottle.network
    program = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def is_open(port):
    with socket.socket() as s:
        s.settimeout(1); return s.connect_ex((sys.argv[1], port)) == 0
with ThreadPoolExecutor(64) as pool:
    print(json.dumps([p for p, o in zip(range(1, 65536), pool.map(is_open, range(1, 65536))) if o]))
"""
    assert bottle.python(program, place["proxy"]) == [int(place["port"])]


@pytest.mark.requirement("NET-007")
def test_names_are_asked_for_as_often_as_declared(bottle: Inside, world: World) -> None:
    assert status(connect(bottle, "once.test:443")) == 200
    asked = [r for r in world.records() if r.get("query") == "once.test" and r["type"] == "A"]
    assert (len(asked) == 1) == (EgressCapability.RESOLVE_ONCE in DECLARED)
    assert len(asked) <= 2


def test_tls_is_relayed_unread_just_as_declared(bottle: Inside, world: World) -> None:
    path = token()
    done = bottle.curl("-v", f"https://allowed.test/{path}")
    relayed = "bottle test world" in done.err
    assert relayed == (EgressCapability.TLS_INSPECTION not in DECLARED), done.err
    assert arrived(world, path)


@pytest.mark.requirement("NET-006")
def test_what_is_inside_a_tunnel_is_not_judged_just_as_declared(bottle: Inside, world: World) -> None:
    path = token()
    head = "CONNECT allowed.test:80 HTTP/1.1\r\nHost: allowed.test:80\r\n\r\n"
    raw(bottle, f"{head}GET /{path} HTTP/1.1\r\nHost: blocked.test\r\nConnection: close\r\n\r\n".encode(), heads=2)
    hosts = [request["host"] for request in world.requests if path in request["request"]]
    assert hosts == ([] if EgressCapability.TLS_INSPECTION in DECLARED else ["blocked.test"])


def test_redirects_in_the_clear_are_followed_by_the_proxy(bottle: Inside) -> None:
    done = bottle.curl("http://allowed.test/redirect?to=http://b.wild.test/")
    assert done.out == "hello from b.wild.test\n\n200"


# Content


def test_a_credential_in_the_clear_is_stopped_and_inside_tls_is_not_seen(bottle: Inside, world: World) -> None:
    secret = "ghp_" + token() + token() + "abcd"
    for options in (["-H", f"Authorization: Bearer {secret}"], ["-d", f"k={secret}"]):
        path = token()
        assert bottle.curl(*options, f"http://allowed.test/{path}").out.endswith("\n403")
        assert not arrived(world, path)
        assert bottle.curl(*options, f"https://allowed.test/{path}").out.endswith("\n200")
        assert arrived(world, path)
    assert logged(bottle, lambda e: "GitHub Token" in e["reason"])["decision"] == "blocked"
    assert secret not in json.dumps(bottle.user.events())


def test_an_answer_that_reads_like_an_attack_arrives_and_is_flagged(bottle: Inside) -> None:
    # The answer repeats the name that it was asked by.
    name = "provide.password.wild.test"
    assert bottle.curl(f"http://{name}/").out == f"hello from {name}\n\n200"
    flagged = logged(bottle, lambda e: e["host"] == name and e["decision"] == "flagged")
    assert "Credential Solicitation" in flagged["reason"]


# The log of decisions, the policy in force, and a start that can't be


@pytest.mark.requirement("SECRET-001")
def test_decisions_are_recorded_without_values(bottle: Inside) -> None:
    name = f"{token()}.evil.test"
    bottle.curl(f"http://{name}/path?secret=hunter2")
    bottle.curl(f"http://allowed.test/{name}?password&secret_=hunter2")
    bottle.curl(f"http://nowhere.test/{name}?secret_=hunter2")
    bottle.curl("https://tunnel.wild.test/?secret=hunter2")
    tunnel = logged(bottle, lambda e: e["host"] == "tunnel.wild.test")
    events = bottle.user.events()
    blocked = next(e for e in events if e["host"] == name)
    assert (blocked["decision"], blocked["rule"], blocked["port"]) == ("blocked", "NET-006", 80)
    assert blocked["path"] == "/path?secret=…"
    allowed = next(e for e in events if name in e["path"] and e["host"] == "allowed.test")
    assert (allowed["decision"], allowed["scheme"], allowed["status"]) == ("allowed", "http", 200)
    assert allowed["bytes_down"] == len("hello from allowed.test\n")
    assert next(e for e in events if e["host"] == "nowhere.test")["decision"] == "error"
    assert (tunnel["decision"], tunnel["method"], tunnel["port"]) == ("allowed", "CONNECT", 443)
    assert all(e["seq"] > 0 and e["time"] and e["session"].startswith("locked-") for e in events)
    assert "hunter2" not in json.dumps(events)


@pytest.mark.requirement("NET-013")
def test_the_policy_that_was_shown_is_the_one_in_force(bottle: Inside) -> None:
    plan = json.loads((bottle.user.records()[-1] / "plan.json").read_text(encoding="utf-8"))
    shown = EgressPolicy.model_validate(plan["policy"]).policy_hash
    found = leaks.api().containers(filters={"label": "dev.bottle.agent=locked"})
    assert {container["Labels"]["dev.bottle.policy"] for container in found} == {shown}
    assert len(plan["proxy"]["lacks"]) == len(EgressCapability) - len(DECLARED)


@pytest.mark.requirement("NET-013")
def test_without_a_document_it_does_not_start(image: str) -> None:
    argv = list(PipelockEgress().program(_request()).argv)
    client = leaks.api()
    container = client.create_container(image, argv, entrypoint=[], user="65532:65532", labels={"pipelock-test": "1"})
    try:
        client.start(container)
        assert client.wait(container, timeout=20)["StatusCode"] != 0
        assert b"at least one domain" in client.logs(container)
    finally:
        client.remove_container(container, force=True)


def _request() -> Any:
    from ipaddress import IPv4Address, IPv4Network

    from bottle_core.egress.base import ProxyRequest

    subnet = IPv4Network("10.231.0.0/29")
    return ProxyRequest(
        session="s", policy=EgressPolicy(hosts=()), listen=IPv4Address("10.231.0.2"), internal_subnet=subnet
    )


@pytest.mark.requirement("NET-008")
def test_a_port_that_it_has_no_words_for_stops_the_start(image: str, tmp_path: Any, world: World, clean: None) -> None:
    person = somebody(tmp_path, world)
    egress = world.egress("allowed.test:8443", proxy="pipelock")
    person.write({"b": {"egress": egress}}, {"locked": {"bottle": "b", "agent": "shell", "command": ["true"]}})
    done = person.start("locked")
    assert done.code == ExitCode.SEAL
    assert "NET-008" in done.err
    assert "mitmproxy" in done.err
