"""Hostile clients: the sidecar's memory stays bounded, and it goes on letting through and refusing as before."""

import json
from collections.abc import Iterator

import pytest

from tests.support.sidecar import Sidecar
from tests.support.upstreams import Upstreams

MB = 1024**2
LIMIT = 200
"""MB of resident memory; idle it takes about 65."""

FLOOD = """
import json, os, socket, sys
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"]); ask = json.load(sys.stdin)
head, piece = bytes.fromhex(ask["head"]), bytes.fromhex(ask["piece"])
end = "taken"
with socket.create_connection((p.hostname, p.port), 5) as s:
    s.settimeout(5)
    try:
        s.sendall(head)
        for _ in range(ask["bytes"] // len(piece)):
            s.sendall(piece)
    except TimeoutError:
        end = "stuck"
    except OSError:
        end = "closed"
print(json.dumps(end))
"""
TUNNEL = b"CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n"
PLAIN = b"GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n"
# An upgrade and the head of one masked frame of 1 GB.
SOCKET = (
    b"GET http://allowed.test/socket HTTP/1.1\r\nHost: allowed.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
FRAME = b"\x82\xff" + (1024 * MB).to_bytes(8) + b"\0\0\0\0"


@pytest.fixture(autouse=True)
def unharmed(sidecar: Sidecar) -> Iterator[None]:
    yield
    assert sidecar.curl("https://allowed.test/").out.endswith("\n200")
    assert sidecar.curl("http://blocked.test/").out.endswith("\n403")
    assert sidecar.memory() < LIMIT


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (PLAIN + b"X: ", b"a" * 65536),
        (PLAIN, b"X: y\r\n" * 10000),
        (b"", b"a" * 65536),
        (
            b"POST http://blocked.test/ HTTP/1.1\r\nHost: blocked.test\r\nContent-Length: 999999999\r\n\r\n",
            b"a" * 65536,
        ),
        (
            b"POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            b"a" * 65536,
        ),
        (b"GET http://allowed.test/events?n=9&interval=2 HTTP/1.1\r\nHost: allowed.test\r\n\r\n", b"a" * 65536),
        (TUNNEL, b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"\0" * 16375),
        (TUNNEL.replace(b"allowed", b"quiet"), b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"\0" * 16375),
        (SOCKET + FRAME, b"a" * 65536),
    ],
    ids=["field", "fields", "line", "refused body", "chunk", "pipeline", "hello", "relayed hello", "websocket"],
)
def test_what_does_not_end_does_not_pile_up(sidecar: Sidecar, head: bytes, piece: bytes) -> None:
    ask = json.dumps({"head": head.hex(), "piece": piece.hex(), "bytes": 300 * MB})
    done = sidecar.run("python3", "-c", FLOOD, stdin=ask.encode(), timeout=120)
    assert done.code == 0, done.err
    # What is refused is read to its end, so that the client can read the answer; everything else is cut off.
    assert json.loads(done.out) == ("taken" if b"blocked" in head else "closed")


def test_an_answer_whose_head_does_not_end_does_not_pile_up(sidecar: Sidecar, upstreams: Upstreams) -> None:
    assert sidecar.curl(f"http://raw.test:{upstreams.endless}/").out.endswith("\n502")


@pytest.mark.requirement("NET-005")
def test_large_bodies_pass_in_both_directions_in_little_memory(sidecar: Sidecar) -> None:
    done = sidecar.run("sh", "-c", "curl -sS https://allowed.test/bytes/104857600 | wc -c", timeout=120)
    assert done.out.strip() == "104857600", done.err
    done = sidecar.run(
        "sh", "-c", "head -c 104857600 /dev/zero | curl -sS -T - http://allowed.test/swallow -X POST", timeout=120
    )
    assert '"bytes": 104857600' in done.out, done.err


@pytest.mark.requirement("NET-005")
def test_a_slow_client_slows_the_upstream_down(sidecar: Sidecar) -> None:
    program = """
import json, os, socket, time
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"])
open_ = []
for _ in range(4):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096); s.connect((p.hostname, p.port))
    s.sendall(b"GET http://allowed.test/bytes/104857600 HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n")
    open_.append(s)
time.sleep(4)
print("null")
"""
    sidecar.python(program)


def test_thousands_of_connections_leave_room(sidecar: Sidecar) -> None:
    program = """
import json, os, resource, socket, sys
from urllib.parse import urlsplit
p = urlsplit(os.environ["HTTPS_PROXY"])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4000), hard))
held = []
for n in range(3000):
    try:
        s = socket.create_connection((p.hostname, p.port), 2)
        s.sendall(b"GET http://allowed.test/ HTTP/1.1\\r\\nX-Slow: ")
        held.append(s)
    except OSError:
        pass
print(json.dumps(len(held)))
"""
    assert sidecar.python(program, timeout=180) > 1000
