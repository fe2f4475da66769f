"""What `GET /info` and `GET /version` say, as EngineInfo. Pure."""

from typing import Any

from bottle_core.capabilities import Capability
from bottle_core.contract import EngineInfo, Problem

_OLDEST = (20, 10)


def has_init(info: dict[str, Any]) -> bool:
    """Whether the engine can put an init process in front of a container's command."""
    return bool(info.get("InitBinary"))


def describe(version: dict[str, Any], info: dict[str, Any], *, local: bool) -> EngineInfo:
    """The engine as the core knows it."""
    number = str(version.get("Version", "unknown"))
    desktop = "Docker Desktop" in str(info.get("OperatingSystem", ""))
    return EngineInfo(
        name="Docker Desktop" if desktop else "Docker Engine",
        version=number,
        api_version=str(version.get("ApiVersion", "")),
        rootless=any("rootless" in str(option) for option in info.get("SecurityOptions") or ()),
        local=local and not desktop,
        cgroup=f"v{info.get('CgroupVersion', '1')} ({info.get('CgroupDriver', 'unknown')})",
        capabilities=frozenset(_capabilities(info)),
        problems=tuple(_problems(number, info)),
    )


def _capabilities(info: dict[str, Any]) -> list[Capability]:
    offered = {
        Capability.READ_ONLY_ROOT: True,
        Capability.PIDS_LIMIT: info.get("PidsLimit"),
        Capability.MEMORY_LIMIT: info.get("MemoryLimit"),
        Capability.CPU_LIMIT: info.get("CpuCfsQuota"),
        Capability.OCI_RUNTIME: len(info.get("Runtimes") or ()) > 1,
        Capability.INIT: has_init(info),
    }
    return [capability for capability, there in offered.items() if there]


def _problems(number: str, info: dict[str, Any]) -> list[Problem]:
    problems = []
    parts = number.split(".")
    if all(part.isdigit() for part in parts[:2]) and tuple(int(part) for part in parts[:2]) < _OLDEST:
        problems.append(
            Problem(message=f"Docker {number} is older than 20.10", fix="install a current Docker Engine", fatal=True)
        )
    if info.get("OSType", "linux") != "linux":
        problems.append(
            Problem(message="the engine runs Windows containers", fix="switch it to Linux containers", fatal=True)
        )
    if not any("seccomp" in str(option) for option in info.get("SecurityOptions") or ()):
        problems.append(
            Problem(message="the engine has no seccomp", fix="use a kernel and an engine with seccomp", fatal=True)
        )
    return problems
