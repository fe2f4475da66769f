"""What the proxy lets through, and what it must not (NET-005 to NET-009). Requests go out as raw bytes."""

import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from checks import Check, Result, all_refused
from world import World

_PATIENCE = 5.0
_DECISION = b"x-bottle-decision"
_REFUSALS = (400, 403, 404, 405, 421)
_BLOCKED = "blocked.example"
_PRIVATE = ("127.0.0.1", "10.0.0.1", "172.17.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1")
_PORTS = (22, 25, 53, 8080, 8443)
_MANAGEMENT = ("/", "/health", "/metrics", "/stats", "/api/v1/status", "/debug/pprof/")


def checks(world: World) -> Iterator[Check]:
    """One check a requirement, and the work that has to be possible."""
    yield Check("work", "NET-005", f"fetch {world.url} through the proxy", lambda: _allowed(world))
    yield Check("attack", "NET-006", f"a host that was not granted ({_BLOCKED})", lambda: _blocked(world))
    yield Check("attack", "NET-006", f"look-alikes of {world.host}", lambda: _look_alikes(world))
    yield Check("attack", "NET-006", "a granted CONNECT with another name in TLS", lambda: _other_sni(world))
    yield Check("attack", "NET-007", "private and metadata addresses through the proxy", lambda: _private(world))
    yield Check("attack", "NET-008", "other ports of the granted host", lambda: _ports(world))
    yield Check("attack", "NET-009", "the proxy's own pages and ports", lambda: _management(world))


def _allowed(world: World) -> Result:
    try:
        with urllib.request.urlopen(world.url, timeout=15) as answer:
            return Result(
                True, f"HTTP {answer.status}, certificate verified" if world.secure else f"HTTP {answer.status}"
            )
    except urllib.error.HTTPError as error:
        refused = error.headers.get("X-Bottle-Decision")
        # Whatever the upstream itself says has come all the way.
        return Result(error.code < 500 and not refused, f"HTTP {error.code}{' from the proxy' if refused else ''}")
    except (OSError, ssl.SSLError) as error:
        return Result(False, str(error))


def _send(world: World, request: bytes) -> tuple[int, bytes]:
    """Status and whole head of the proxy's answer; status 0 if it only hangs up."""
    with socket.create_connection(world.proxy, _PATIENCE) as sock:
        sock.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < 65536:
            try:
                data = sock.recv(4096)
            except ConnectionError:
                break
            if not data:
                break
            head += data
    try:
        return int(head.split(None, 2)[1]), head
    except (IndexError, ValueError):
        return 0, head


def _passed(world: World, request: bytes) -> str | None:
    """None if the proxy refused, or hung up, or said that it can't; else what it said."""
    try:
        status, head = _send(world, request)
    except TimeoutError:
        return "no answer, the request hangs"
    if status == 0 or status in _REFUSALS or _DECISION in head.lower():
        return None
    return head.split(b"\r\n", 1)[0].decode("ascii", "replace")


def _connect(authority: str) -> bytes:
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()


def _get(url: str, host: str) -> bytes:
    return f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def _tried(world: World, requests: dict[str, bytes]) -> Result:
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda request: _passed(world, request), requests.values()))
    return all_refused(dict(zip(requests, results, strict=True)))


def _blocked(world: World) -> Result:
    status, head = _send(world, _connect(f"{_BLOCKED}:443"))
    if status != 403 or _DECISION not in head.lower():
        return Result(False, f"CONNECT met {status or 'a hang-up'}, not a reasoned 403")
    request = urllib.request.Request(f"http://{_BLOCKED}/", headers={"User-Agent": "bottle-demo"})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return Result(False, f"HTTP {answer.status}")
    except urllib.error.HTTPError as error:
        body = json.loads(error.read() or b"{}")
        if error.code == 403 and body.get("decision") == "blocked":
            return Result(True, f"403 {body.get('rule', '')}: {body.get('reason', '')}")
        return Result(False, f"HTTP {error.code} without a decision")


def _look_alikes(world: World) -> Result:
    host = world.host
    names = [
        *(f"{host}.evil.example", f"evil-{host}", f"evil.{host}", f"{host}.", f"{host}..", f"{host}%00.evil.example"),
        *(f"{host}@evil.example", f"evil.example#{host}", f"xn--{host}", f"{host}\t", host.replace(".", "。", 1)),
    ]
    for address in world.outside[:1]:
        parts = [int(part) for part in address.split(".")]
        number = int.from_bytes(bytes(parts))
        names += [str(number), hex(number), f"[::ffff:{address}]", ".".join(oct(part) for part in parts), address]
    requests = {f"CONNECT {name}": _connect(f"{name}:443") for name in names}
    requests |= {f"GET {name}": _get(f"http://{name}/", name) for name in names}
    requests["Host mismatch"] = _get(f"http://{host}/", _BLOCKED)
    requests["mismatch the other way"] = _get(f"http://{_BLOCKED}/", host)
    requests["two Host fields"] = f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nHost: {_BLOCKED}\r\n\r\n".encode()
    requests["userinfo"] = _get(f"http://{host}@{_BLOCKED}/", host)
    requests["CR LF in the target"] = f"CONNECT {_BLOCKED}:443\r\nX: {host}:443 HTTP/1.1\r\n\r\n".encode()
    return _tried(world, requests)


def _other_sni(world: World) -> Result:
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    with socket.create_connection(world.proxy, _PATIENCE) as sock:
        sock.sendall(_connect(f"{world.host}:443"))
        if b" 200" not in sock.recv(4096).split(b"\r\n", 1)[0]:
            return Result(True, "refused at CONNECT")
        try:
            with context.wrap_socket(sock, server_hostname=_BLOCKED) as tls:
                tls.sendall(_get("/", _BLOCKED))
                answer = tls.recv(4096)
        except (OSError, ssl.SSLError):
            return Result(True, "the handshake was refused")
    refused = not answer or _DECISION in answer.lower()
    return Result(refused, "refused inside TLS" if refused else "it was let through")


def _private(world: World) -> Result:
    own = world.proxy[0]
    addresses = [*_PRIVATE, own, *world.strangers[:1], *world.outside[-1:]]
    requests = {f"CONNECT {address}": _connect(f"{address}:443") for address in addresses}
    requests |= {f"GET {address}": _get(f"http://{address}/", address) for address in addresses}
    requests["localhost"] = _get("http://localhost/", "localhost")
    return _tried(world, requests)


def _ports(world: World) -> Result:
    return _tried(world, {f"port {port}": _connect(f"{world.host}:{port}") for port in _PORTS})


def _management(world: World) -> Result:
    address, port = world.proxy
    requests = {path: _get(path, f"{address}:{port}") for path in _MANAGEMENT}
    requests |= {f"proxied {path}": _get(f"http://{address}:{port}{path}", f"{address}:{port}") for path in _MANAGEMENT}
    requests["mitm.it"] = _get("http://mitm.it/", "mitm.it")
    pages = _tried(world, requests)
    if not pages.ok:
        return pages
    open_ports = [
        other for other in (*range(1, 1025), 3128, 8080, 8081, 8888, 9090) if other != port and _open(address, other)
    ]
    return Result(not open_ports, f"{pages.detail}; open ports beside {port}: {open_ports or 'none'}")


def _open(address: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex((address, port)) == 0
