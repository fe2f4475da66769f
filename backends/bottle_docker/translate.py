"""Spec → Docker Engine API JSON. Pure; tests/golden shows the result. What is the same for every bottle stands here."""

from typing import Any

from bottle_core.spec import AgentSpec, ContainerSpec, NetworkSpec, SidecarSpec, Tmpfs

Json = dict[str, Any]

# A resolver that nobody serves: 127.0.0.11 forwards to it from inside the container's own namespace, where
# nothing listens, so every outside name fails at once (NET-003).
NO_RESOLVER = "127.0.0.1"

_SHM_SIZE = 64 * 1024**2
_NANO = 10**9

_SYSCTLS = {
    # Docker opens ICMP sockets to every group by default; an empty range closes them (NET-010).
    "net.ipv4.ping_group_range": "1 0",
    # The engine's host forwards, and a new network namespace may inherit that (NET-012).
    "net.ipv4.ip_forward": "0",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}


def network(spec: NetworkSpec) -> Json:
    """Body of POST /networks/create."""
    internal = spec.role == "internal"
    # Without inhibit_ipv4 the host has an address on an internal bridge, and its services answer there (NET-002).
    options = {"com.docker.network.bridge.inhibit_ipv4": "true"} if internal else {}
    if not internal:
        options["com.docker.network.bridge.enable_icc"] = "false"
    return {
        "Name": spec.name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": internal,
        "Attachable": False,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Config": [{"Subnet": str(spec.subnet), "Gateway": str(spec.subnet.network_address + 1)}],
        },
        "Options": options,
        "Labels": spec.labels,
    }


def agent(spec: AgentSpec, *, init: bool) -> Json:
    """Body of POST /containers/create for the agent."""
    return _container(spec, init=init, tty=spec.tty)


def sidecar(spec: SidecarSpec, *, init: bool) -> Json:
    """Body of POST /containers/create for the sidecar; its second network is connected before the start."""
    return _container(spec, init=init, tty=False)


def _container(spec: ContainerSpec, *, init: bool, tty: bool) -> Json:
    first = spec.attachments[0]
    return {
        "Image": spec.image,
        "Entrypoint": [],
        "Cmd": list(spec.argv),
        "Env": [f"{name}={value}" for name, value in sorted(spec.env.items())],
        "User": f"{spec.uid}:{spec.gid}",
        "WorkingDir": spec.workdir,
        "Hostname": spec.hostname,
        "Labels": spec.labels,
        "Tty": tty,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host(spec, init=init),
        "NetworkingConfig": {"EndpointsConfig": {first.network: endpoint(spec, 0)}},
    }


def endpoint(spec: ContainerSpec, index: int) -> Json:
    """EndpointSettings of one attachment."""
    return {"IPAMConfig": {"IPv4Address": str(spec.attachments[index].address)}}


def _host(spec: ContainerSpec, *, init: bool) -> Json:
    memory = spec.limits.memory or 0
    host: Json = {
        "NetworkMode": spec.attachments[0].network,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "ReadonlyRootfs": spec.read_only_root,
        "Tmpfs": {tmpfs.path: _tmpfs(spec, tmpfs) for tmpfs in spec.tmpfs},
        "Sysctls": _SYSCTLS,
        "Dns": _resolvers(spec),
        # Engines before 25 don't answer a query that they can't forward: don't let every lookup wait 20 s for that.
        "DnsOptions": ["timeout:1", "attempts:1"],
        "DnsSearch": ["."],
        "ExtraHosts": [],
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "ShmSize": _SHM_SIZE,
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        # What the agent and the proxy print is never written to the engine's disk (SECRET-001).
        "LogConfig": {"Type": "none", "Config": {}},
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int((spec.limits.cpus or 0) * _NANO),
    }
    if spec.limits.pids is not None:
        host["PidsLimit"] = spec.limits.pids
    if spec.runtime is not None:
        host["Runtime"] = spec.runtime
    if init:
        host["Init"] = True
    return host


def _resolvers(spec: ContainerSpec) -> list[str]:
    if spec.resolvers is None:
        return []
    return [str(address) for address in spec.resolvers] or [NO_RESOLVER]


def _tmpfs(spec: ContainerSpec, tmpfs: Tmpfs) -> str:
    execution = "exec" if tmpfs.executable else "noexec"
    return f"rw,nosuid,nodev,{execution},size={tmpfs.size},mode={tmpfs.mode:04o},uid={spec.uid},gid={spec.gid}"
