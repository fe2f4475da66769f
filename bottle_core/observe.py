"""What a bottle looks like from inside, held against its spec. Any difference is a finding; findings fail closed.

The observation is the output of containerfiles/entry/observe.sh. It proves what the engine did, not what a
hostile image claims: see docs/threat-model.md.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import NamedTuple

from bottle_core.egress.base import Ready
from bottle_core.environment import DOCUMENTED_NAMES
from bottle_core.spec import AgentSpec, BottleSpec, Frozen

_CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_SECCOMP_FILTER = "2"

_ENGINE_MOUNTS = re.compile(
    r"/|/proc(/.*)?|/sys(/.*)?|/dev|/dev/(pts|shm|mqueue|console)|/etc/(hosts|hostname|resolv\.conf)"
    r"|(/usr)?/s?bin/docker-init|/dev/init|/run/\.containerenv|/run/secrets"
)
_DEVICES = frozenset(
    f"/dev/{name}"
    for name in (
        [
            "console",
            "core",
            "fd",
            "full",
            "init",
            "mqueue",
            "null",
            "ptmx",
            "pts",
            "random",
            "shm",
            "stderr",
            "stdin",
            "stdout",
            "tty",
            "urandom",
            "zero",
        ]
    )
)
_EXPORT = re.compile(r"(?:export|declare -x) ([A-Za-z_][A-Za-z0-9_]*)$")
_DEFAULT_ROUTE = "00000000"
_DNS_ANSWERED = frozenset({0, 3})
"""Response codes of a server that has asked others: no error, and no such name (RFC 1035, 4.1.1)."""
_ARP_COMPLETE = 2


class Finding(NamedTuple):
    """A difference between bottle and spec: the requirement's id and one sentence."""

    requirement: str
    message: str


class Mount(Frozen):
    """A line of mountinfo: where, what, and the options of mount and file system."""

    target: str
    kind: str
    source: str
    options: frozenset[str]


class Observation(Frozen):
    """The parsed output of the observation script; `first` and `self` are /proc/PID/status of both processes."""

    first: dict[str, str]
    self: dict[str, str]
    uid_map: tuple[str, ...]
    links: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    """(destination, gateway) of the IPv4 table, both in the kernel's little-endian hex."""
    addresses6: tuple[str, ...]
    """IPv6 addresses as 32 hex digits, loopback left out."""
    resolvers: tuple[str, ...]
    hosts: tuple[str, ...]
    hostname: str
    mounts: tuple[Mount, ...]
    devices: tuple[str, ...]
    sockets: tuple[str, ...]
    writable: tuple[str, ...]
    names: frozenset[str]
    answers: dict[str, bool] | None
    """Whether a query to the nameserver was answered with knowledge; None if the image could not ask."""
    neighbours: tuple[IPv4Address, ...] | None
    """Addresses of the internal network that answered when knocked on; None if the image could not knock."""


class MalformedObservationError(ValueError):
    """The output isn't that of the observation script, or it was cut off."""


def parse(output: bytes) -> Observation:
    """Reads the observation script's output; raises MalformedObservationError."""
    rows: dict[str, list[str]] = defaultdict(list)
    last = ""
    for line in output.decode("utf-8", "replace").splitlines():
        last, _, text = line.partition(" ")
        rows[last].append(text)
    if rows["version"] != ["1"] or last != "end" or not rows["first"] or not rows["mount"]:
        raise MalformedObservationError("the observation is incomplete")
    return Observation(
        first=_status(rows["first"]),
        self=_status(rows["self"]),
        uid_map=tuple(" ".join(text.split()) for text in rows["uid_map"]),
        links=tuple(text.split(":")[0].strip() for text in rows["link"] if ":" in text),
        routes=tuple((f[1], f[2]) for f in map(str.split, rows["route"]) if len(f) > 3 and f[0] != "Iface"),
        addresses6=tuple(f[0] for f in map(str.split, rows["address6"]) if f and f[-1] != "lo"),
        resolvers=tuple(f[1] for f in map(str.split, rows["resolver"]) if len(f) > 1 and f[0] == "nameserver"),
        hosts=tuple(text.strip() for text in rows["host"] if text.strip() and not text.lstrip().startswith("#")),
        hostname=rows["hostname"][0].strip() if rows["hostname"] else "",
        mounts=tuple(_mount(text) for text in rows["mount"]),
        devices=tuple(rows["device"]),
        sockets=tuple(rows["socket"]),
        writable=tuple(rows["writable"]),
        names=frozenset(m[1] for m in map(_EXPORT.match, rows["export"]) if m),
        answers=dict(map(_answer, rows["answer"])) if rows["knocked"] else None,
        neighbours=_answered(rows["neighbour"]) if rows["knocked"] else None,
    )


def _status(lines: Iterable[str]) -> dict[str, str]:
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _mount(line: str) -> Mount:
    head, _, tail = line.partition(" - ")
    fields, kind = head.split(), tail.split()
    if len(fields) < 6 or len(kind) < 3:
        raise MalformedObservationError("a mountinfo line is incomplete")
    return Mount(
        target=_unescape(fields[4]),
        kind=kind[0],
        source=kind[1],
        options=frozenset(fields[5].split(",")),
    )


def _answer(text: str) -> tuple[str, bool]:
    """A nameserver, and whether the header behind it is that of an answer."""
    server, *header = text.split()
    return server, len(header) == 12 and int(header[3], 16) & 0x0F in _DNS_ANSWERED


def _answered(lines: Iterable[str]) -> tuple[IPv4Address, ...]:
    """The complete entries of /proc/net/arp: address, type, flags, hardware address, mask, device."""
    fields = (line.split() for line in lines)
    return tuple(
        IPv4Address(f[0]) for f in fields if len(f) > 3 and f[2].startswith("0x") and int(f[2], 16) & _ARP_COMPLETE
    )


def _unescape(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def compare(spec: BottleSpec, seen: Observation, ready: Ready, image_names: Iterable[str]) -> list[Finding]:
    """Every difference between the bottle and its spec; an empty list means sealed.

    `image_names` are the variables that the agent's image itself sets.
    """
    agent = spec.agent
    internal = next(network for network in spec.networks if network.role == "internal")
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _routes(spec, internal.subnet, seen),
        lambda: _neighbours(spec, seen, ready),
        lambda: _resolvers(seen),
        lambda: _host_names(agent, seen),
        lambda: _sidecar(ready),
        lambda: _privileges(agent, seen),
        lambda: _mounts(agent, seen),
        lambda: _environment(agent, seen, frozenset(image_names)),
    )
    return [finding for check in checks for finding in check()]


def _routes(spec: BottleSpec, subnet: IPv4Network, seen: Observation) -> Iterator[Finding]:
    # Docker 20.10 gives internal networks a default route too. It may name only an address of the bottle's own
    # network that nobody has, which _neighbours makes sure of (NET-012).
    nobody = set(strangers(spec))
    for destination, gateway in seen.routes:
        network, via = (IPv4Address(bytes.fromhex(text)[::-1]) for text in (destination, gateway))
        if destination == _DEFAULT_ROUTE and via in nobody:
            continue
        if destination == _DEFAULT_ROUTE or gateway != _DEFAULT_ROUTE or network not in subnet:
            yield Finding("NET-001", f"there is a route to {network} via {via}; only {subnet} may be routed")
    if seen.addresses6:
        yield Finding("NET-001", f"there is an IPv6 address: {seen.addresses6[0]}")
    if extra := [link for link in seen.links if link not in ("lo", "eth0")]:
        yield Finding("NET-001", f"there is a network interface beside lo and eth0: {extra[0]}")
    if "eth0" not in seen.links:
        yield Finding("NET-005", "there is no network interface to reach the sidecar by")


def strangers(spec: BottleSpec) -> tuple[IPv4Address, ...]:
    """Addresses of the internal network on which nothing may answer, the engine's own among them."""
    internal = next(network for network in spec.networks if network.role == "internal")
    ours = {a.address for c in (spec.agent, spec.sidecar) for a in c.attachments if a.network == internal.name}
    return tuple(address for address in internal.subnet.hosts() if address not in ours)


def _neighbours(spec: BottleSpec, seen: Observation, ready: Ready) -> Iterator[Finding]:
    if seen.neighbours is None and ready.neighbours is None:
        yield Finding("NET-002", "neither the sidecar nor the agent's image can tell who answers on the network")
    forbidden = set(strangers(spec))
    for address in sorted({*(seen.neighbours or ()), *(ready.neighbours or ())} & forbidden):
        yield Finding("NET-002", f"{address} answers on the internal network; only agent and sidecar may")


def _resolvers(seen: Observation) -> Iterator[Finding]:
    for text in seen.resolvers:
        if not _is_loopback(text):
            yield Finding("NET-003", f"a nameserver outside the bottle is configured: {text}")
        elif seen.answers is None:
            yield Finding("NET-003", f"the agent's image has no bash to find out whether {text} resolves anything")
        elif seen.answers.get(text, True):
            yield Finding("NET-003", f"the nameserver {text} resolves names of the outside")


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _host_names(agent: AgentSpec, seen: Observation) -> Iterator[Finding]:
    own = {str(attachment.address) for attachment in agent.attachments}
    for line in seen.hosts:
        address, *names = line.split()
        if address in own and set(names) <= {agent.hostname, agent.name}:
            continue
        if not _is_loopback(address) and not address.lower().startswith(("fe00:", "ff00:", "ff02:")):
            yield Finding("NET-002", f"the hosts file names an address outside the bottle: {line}")
    if seen.hostname != agent.hostname:
        yield Finding("SEC-009", f"the host name is {seen.hostname!r}, not {agent.hostname!r}")


def _sidecar(ready: Ready) -> Iterator[Finding]:
    if ready.forwarding:
        yield Finding("NET-012", "the sidecar's network namespace forwards packets")


def _privileges(agent: AgentSpec, seen: Observation) -> Iterator[Finding]:
    for who, status in (("first process", seen.first), ("agent's process", seen.self)):
        for name in _CAPABILITY_SETS:
            if int(status.get(name, "1"), 16):
                yield Finding("SEC-001", f"{name} of the {who} is {status.get(name, 'unknown')}, not empty")
        if status.get("NoNewPrivs") != "1":
            yield Finding("SEC-002", f"NoNewPrivs of the {who} is {status.get('NoNewPrivs', 'unknown')}, not 1")
        if status.get("Seccomp") != _SECCOMP_FILTER:
            yield Finding("SEC-003", f"Seccomp of the {who} is {status.get('Seccomp', 'unknown')}, not a filter")
        for name, wanted in (("Uid", agent.uid), ("Gid", agent.gid)):
            if set(status.get(name, "").split()) != {str(wanted)}:
                yield Finding("SEC-004", f"{name} of the {who} is {status.get(name, 'unknown')}, not {wanted}")
        groups = set(status.get("Groups", "").split()) - {str(agent.gid)}
        if groups:
            yield Finding("SEC-004", f"the {who} has supplementary groups: {' '.join(sorted(groups))}")


def _mounts(agent: AgentSpec, seen: Observation) -> Iterator[Finding]:
    declared = {tmpfs.path for tmpfs in agent.tmpfs}
    for mount in seen.mounts:
        if mount.target in declared:
            if mount.kind != "tmpfs" or not {"nosuid", "nodev"} <= mount.options:
                yield Finding("SEC-005", f"{mount.target} is not a nosuid, nodev memory file system")
        elif not _ENGINE_MOUNTS.fullmatch(mount.target):
            yield Finding("SEC-008", f"{mount.target} is mounted without being granted")
        elif mount.target == "/" and agent.read_only_root and "ro" not in mount.options:
            yield Finding("SEC-005", "the root file system is writable")
    if missing := declared - {mount.target for mount in seen.mounts}:
        yield Finding("SEC-005", f"{min(missing)} is not a memory file system")
    if agent.read_only_root and seen.writable:
        yield Finding("SEC-005", f"{seen.writable[0]} is writable")
    if extra := [path for path in seen.devices if path not in _DEVICES]:
        yield Finding("SEC-008", f"there is a device beyond the default set: {extra[0]}")
    if seen.sockets:
        yield Finding("SEC-008", f"there is a socket that was not granted: {seen.sockets[0]}")


def _environment(agent: AgentSpec, seen: Observation, image_names: frozenset[str]) -> Iterator[Finding]:
    if extra := seen.names - set(agent.env) - DOCUMENTED_NAMES - image_names:
        yield Finding("SECRET-003", f"the environment has a variable that was not granted: {min(extra)}")
