"""NET-001 to NET-004 and NET-010: ways around the proxy, tried from inside a running bottle."""

import json
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support import inside
from tests.support.cli import User
from tests.support.inside import Inside
from tests.support.world import World

# Prints for every "address port" argument pair whether anybody answered: a reset counts, silence doesn't.
CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(target):
    address, port = target
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        try:
            s.connect((address, int(port)))
        except ConnectionRefusedError:
            return "reset"
        except OSError:
            return ""
        return "open"
targets = list(zip(sys.argv[1::2], sys.argv[2::2]))
with ThreadPoolExecutor(64) as pool:
    print(json.dumps({f"{a} {p}": r for (a, p), r in zip(targets, pool.map(reached, targets)) if r}))
"""


def reached(bottle: Inside, targets: list[tuple[str, int]]) -> dict[str, str]:
    flat = [text for address, port in targets for text in (address, str(port))]
    answer: dict[str, str] = bottle.python(CONNECT, *flat)
    return answer


def host_addresses() -> list[str]:
    """Every address of this machine except loopback, IPv6 link-local ones with the bottle's own interface."""
    listing = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
    found = []
    for link in listing:
        for entry in link["addr_info"]:
            if entry["local"] not in ("127.0.0.1", "::1"):
                found.append(
                    entry["local"] + ("%eth0" if entry.get("scope") == "link" and ":" in entry["local"] else "")
                )
    return found


@pytest.fixture(scope="module")
def host_service() -> Iterator[int]:
    """A port on which a process of the host listens on every address, IPv4 and IPv6."""
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with closing(listener):
        yield listener.getsockname()[1]
        ended.set()


@pytest.mark.requirement("NET-001")
def test_nothing_is_reached_without_the_proxy(bottle: Inside, world: World) -> None:
    outside = [
        world.address,
        "198.51.100.7",
        "192.168.1.1",
        "10.0.0.1",
        "169.254.169.254",
        "2001:db8::1",
        "fe80::1%eth0",
    ]
    assert reached(bottle, [(address, port) for address in outside for port in (80, 443, 53)]) == {}


@pytest.mark.requirement("NET-001")
def test_what_the_bottle_can_not_reach_is_reached_from_the_host(world: World) -> None:
    """The same connect works outside of the bottle: the test above would notice an open way."""
    socket.create_connection((world.address, 80), 2).close()


@pytest.mark.requirement("NET-002")
def test_no_address_of_the_host_answers(bottle: Inside, host_service: int) -> None:
    addresses = host_addresses()
    assert addresses
    for address in [a for a in addresses if ":" not in a]:
        socket.create_connection((address, host_service), 2).close()
    assert reached(bottle, [(address, host_service) for address in addresses]) == {}


@pytest.mark.requirement("NET-002")
def test_nobody_else_answers_on_the_bottles_network(bottle: Inside, host_service: int) -> None:
    place = bottle.network
    prefix, _, last = place["own"].rpartition(".")
    base = int(last) & ~7
    others = [f"{prefix}.{base + offset}" for offset in range(8)]
    others = [address for address in others if address not in (place["own"], place["proxy"])]
    assert reached(bottle, [(address, port) for address in others for port in (host_service, 22, 80)]) == {}


@pytest.mark.requirement("NET-002")
@pytest.mark.parametrize(
    "name", ["host.docker.internal", "gateway.docker.internal", "host.containers.internal", "host-gateway"]
)
def test_the_hosts_names_mean_nothing(bottle: Inside, name: str) -> None:
    assert bottle.run("getent", "hosts", name).code != 0


RAW_DNS = """
import json, os, socket, struct, sys
name, servers = sys.argv[1], sys.argv[2:]
query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0)
query += b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + struct.pack(">BHH", 0, 1, 1)
def good(reply):
    return len(reply) >= 12 and struct.unpack(">HHHHHH", reply[:12])[1] & 15 == 0 and struct.unpack(">HHHHHH", reply[:12])[3] > 0
answers = {}
for server in servers:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1.5)
        try:
            s.sendto(query, (server, 53)); answers["udp " + server] = good(s.recv(4096))
        except OSError:
            answers["udp " + server] = False
    try:
        with socket.create_connection((server, 53), 1.5) as s:
            s.sendall(struct.pack(">H", len(query)) + query); answers["tcp " + server] = good(s.recv(4096)[2:])
    except OSError:
        answers["tcp " + server] = False
print(json.dumps(answers))
"""


@pytest.mark.requirement("NET-003")
def test_nothing_resolves_and_no_resolver_hears_of_it(bottle: Inside, world: World) -> None:
    name = f"{secrets.token_hex(8)}.allowed.test"
    assert bottle.run("getent", "hosts", name).code != 0
    configured = bottle.shell("awk '/^nameserver/ { print $2 }' /etc/resolv.conf").out.split()
    servers = [*configured, "127.0.0.11", "127.0.0.53", bottle.network["proxy"], world.address, "172.17.0.1"]
    answers: dict[str, bool] = bottle.python(RAW_DNS, name, *servers)
    assert not any(answers.values()), answers
    assert name not in world.queries


@pytest.mark.requirement("NET-003")
def test_the_resolver_under_test_answers_the_host(world: World) -> None:
    """The query that must not get out does get an answer when it is asked from outside."""
    name = f"{secrets.token_hex(8)}.allowed.test"
    program = ["python3", "-c", RAW_DNS, name, world.address]
    answers: dict[str, Any] = json.loads(subprocess.run(program, capture_output=True, check=True).stdout)
    assert answers == {f"udp {world.address}": True, f"tcp {world.address}": True}
    assert name in world.queries


@pytest.mark.requirement("NET-003")
def test_a_host_with_a_loopback_resolver_forwards_nothing(
    bottle: Inside, world: World, engine: docker.APIClient
) -> None:
    """The engine's embedded resolver, asked from inside, has nowhere to forward to, whatever the host uses."""
    container = next(
        c for c in engine.containers(filters={"label": "dev.bottle.role=agent"}) if c["State"] == "running"
    )
    host_config = engine.inspect_container(container["Id"])["HostConfig"]
    assert host_config["Dns"] == ["127.0.0.1"]
    answers: dict[str, bool] = bottle.python(RAW_DNS, "allowed.test", "127.0.0.11")
    assert not any(answers.values())


@pytest.mark.requirement("NET-004")
def test_another_bottle_is_out_of_reach(bottle: Inside, tmp_path: Path, world: World) -> None:
    other = User(tmp_path)
    other.variables.update(world.environment())
    other.write({"b": {}}, {"neighbour": {"bottle": "b", "agent": "shell", "command": inside.COMMAND}})
    with inside.running(other, "neighbour") as neighbour:
        assert neighbour.run("sh", "-c", "echo listening").out == "listening\n"
        server = "import socket,time; s=socket.create_server(('0.0.0.0', 4444)); time.sleep(60)"
        neighbour.shell(f'nohup python3 -c "{server}" >/dev/null 2>&1 & sleep 0.5')
        there = neighbour.network
        assert reached(neighbour, [(there["own"], 4444)]) != {}
        targets = [(there["own"], 4444), (there["proxy"], int(there["port"]))]
        assert reached(bottle, targets) == {}
        names = ["bottle-neighbour", neighbour.run("hostname").out.strip() + "-agent", "egress"]
        assert [name for name in names if bottle.run("getent", "hosts", name).code == 0] == []


@pytest.mark.requirement("NET-004")
def test_a_sweep_of_the_pools_corner_meets_nobody(bottle: Inside) -> None:
    place = bottle.network
    prefix = ".".join(place["own"].split(".")[:3])
    base = int(place["own"].rpartition(".")[2]) & ~7
    others = [f"{prefix}.{n}" for n in range(1, 255) if not base <= n < base + 8]
    assert reached(bottle, [(address, 3128) for address in others]) == {}


@pytest.mark.requirement("NET-010")
@pytest.mark.parametrize(
    "kind",
    [
        "socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP",
        "socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP",
        "socket.AF_PACKET, socket.SOCK_RAW, 3",
        "socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW",
        "socket.AF_INET6, socket.SOCK_RAW, 58",
    ],
)
def test_no_raw_traffic(bottle: Inside, kind: str) -> None:
    program = f"""
import json, socket
try:
    socket.socket({kind}); print(json.dumps("opened"))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""
    assert bottle.python(program) != "opened"


@pytest.mark.requirement("NET-012")
def test_the_sidecar_does_not_route(bottle: Inside, engine: docker.APIClient, world: World) -> None:
    """A container of the engine's own on the internal network, with the sidecar as next hop, gets nowhere."""
    agent = next(c for c in engine.containers(filters={"label": "dev.bottle.role=agent"}) if "looker" in c["Names"][0])
    network = next(iter(agent["NetworkSettings"]["Networks"]))
    script = f"""
import json, socket, struct, fcntl, os
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def sockaddr(a): return struct.pack("<HH4s8x", socket.AF_INET, 0, socket.inet_aton(a))
# struct rtentry (net/route.h): default route via the sidecar
rt = struct.pack("L", 0) + sockaddr("0.0.0.0") + sockaddr("{bottle.network["proxy"]}") + sockaddr("0.0.0.0")
rt += struct.pack("HhLLPhPLLH", 3, 0, 0, 0, 0, 0, 0, 0, 0, 0).ljust(80, b"\\0")
fcntl.ioctl(s, 0x890B, rt.ljust(120, b"\\0"))
t = socket.socket(); t.settimeout(3)
try:
    t.connect(("{world.address}", 80)); print(json.dumps("open"))
except ConnectionRefusedError:
    print(json.dumps("reset"))
except OSError as error:
    print(json.dumps(""))
"""
    made = engine.create_container(
        agent["Image"],
        ["python3", "-c", script],
        user="0",
        networking_config=engine.create_networking_config({network: engine.create_endpoint_config()}),
        host_config=engine.create_host_config(network_mode=network, cap_add=["NET_ADMIN"]),
    )
    try:
        engine.start(made)
        engine.wait(made, timeout=60)
        assert engine.logs(made).decode().strip() == '""'
    finally:
        engine.remove_container(made, force=True)
