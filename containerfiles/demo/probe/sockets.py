"""Small network tries. Anything that answers, even with a refusal, has been reached."""

import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

# Neighbours on a bridge answer within microseconds; the kernel gives up on an absent one only after seconds.
PATIENCE = 1.2
_HEADER = struct.Struct(">HHHHHH")
_RECURSION_DESIRED = 0x0100
_TYPE_A = 1
_ANSWER_CODE = 0x0F


def reached(address: str, port: int) -> str | None:
    """What a TCP connect met, or None for nothing: a reset comes from somebody, too."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        try:
            sock.connect((address, port))
        except ConnectionRefusedError:
            return f"{address} answered with a reset"
        except OSError:
            return None
        return f"{address}:{port} accepted"


def reach_all(targets: list[tuple[str, int]]) -> dict[str, str | None]:
    """`reached` for all of them side by side."""
    with ThreadPoolExecutor(32) as pool:
        results = pool.map(lambda target: reached(*target), targets)
    return {f"{address}:{port}": result for (address, port), result in zip(targets, results, strict=True)}


def resolved(name: str) -> str | None:
    """What the C library makes of a name, or None."""
    try:
        return str(socket.getaddrinfo(name, 80)[0][4][0])
    except OSError:
        return None


def resolve_all(names: list[str]) -> dict[str, str | None]:
    """`resolved` for all of them side by side."""
    with ThreadPoolExecutor(len(names)) as pool:
        return {f"libc {name}": result for name, result in zip(names, pool.map(resolved, names), strict=True)}


def question(name: str) -> bytes:
    """A DNS query for the name's A records (RFC 1035)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    header = _HEADER.pack(int.from_bytes(os.urandom(2)), _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + struct.pack(">BHH", 0, _TYPE_A, 1)


def _answered(reply: bytes) -> bool:
    if len(reply) < _HEADER.size:
        return False
    _, flags, _, answers, _, _ = _HEADER.unpack_from(reply)
    return flags & _ANSWER_CODE == 0 and answers > 0


def asked_over_udp(server: str, name: str) -> str | None:
    """Whether a nameserver resolves the name for us over UDP; None if not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        try:
            sock.sendto(question(name), (server, 53))
            return "resolved" if _answered(sock.recv(4096)) else None
        except OSError:
            return None


def asked_over_tcp(server: str, name: str) -> str | None:
    """The same over TCP."""
    query = question(name)
    try:
        with socket.create_connection((server, 53), PATIENCE) as sock:
            sock.sendall(struct.pack(">H", len(query)) + query)
            return "resolved" if _answered(sock.recv(4096)[2:]) else None
    except OSError:
        return None


def ask_all(servers: list[str], name: str) -> dict[str, str | None]:
    """Every server asked for the name, over UDP and TCP, side by side."""
    asks = [
        (kind, ask, server) for server in servers for kind, ask in (("udp", asked_over_udp), ("tcp", asked_over_tcp))
    ]
    with ThreadPoolExecutor(len(asks)) as pool:
        results = pool.map(lambda entry: entry[1](entry[2], name), asks)
        return {f"{kind} {server}": result for (kind, _, server), result in zip(asks, results, strict=True)}
