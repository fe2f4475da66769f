"""What the agent's processes may do (SEC-001 to SEC-009), tried, not read from anybody's word."""

import ctypes
import os
import platform
import stat
from collections.abc import Iterator
from pathlib import Path

from checks import Check, Result, all_refused

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNS = 0x00020000
# Linux system call numbers (asm/unistd_64.h, asm-generic/unistd.h).
_CALLS = {
    "x86_64": {"bpf": 321, "keyctl": 250, "perf_event_open": 298, "kexec_load": 246, "init_module": 175},
    "aarch64": {"bpf": 280, "keyctl": 219, "perf_event_open": 241, "kexec_load": 104, "init_module": 105},
}
_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock")
_MASKED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware")
_READ_ONLY = ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/panic_on_oom")
_ROOT_PLACES = ("/", "/etc", "/usr", "/usr/local/bin", "/var", "/opt")


def checks() -> Iterator[Check]:
    """One check a requirement."""
    yield Check("attack", "SEC-001", "use a capability", _capabilities)
    yield Check("attack", "SEC-002", "gain privileges from a setuid program", _no_new_privileges)
    yield Check("attack", "SEC-003", "call unshare, mount, bpf, keyctl and others", _system_calls)
    yield Check("attack", "SEC-004", "be root", _identity)
    yield Check("attack", "SEC-005", "write outside the writable places", _writes)
    yield Check("attack", "SEC-008", "find an engine socket, a device, a kernel file", _kernel)


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _capabilities() -> Result:
    status = _status()
    held = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
    try:
        os.chroot("/")
    except PermissionError:
        return Result(not held, f"chroot refused; {', '.join(held) or 'every capability set is empty'}")
    return Result(False, "chroot worked")


def _no_new_privileges() -> Result:
    found = []
    for folder in ("/usr/bin", "/usr/sbin", "/usr/lib"):
        for path in Path(folder).rglob("*"):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                found.append(str(path))
    no_new = _status()["NoNewPrivs"] == "1"
    return Result(no_new and not found, f"NoNewPrivs is {_status()['NoNewPrivs']}, {len(found)} setuid programs")


def _system_calls() -> Result:
    libc = ctypes.CDLL(None, use_errno=True)
    tries: dict[str, str | None] = {
        "unshare of a user namespace": _worked(libc.unshare(_CLONE_NEWUSER)),
        "unshare of a mount namespace": _worked(libc.unshare(_CLONE_NEWNS)),
        "mount": _worked(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
    }
    for name, number in _CALLS.get(platform.machine(), {}).items():
        tries[name] = _worked(libc.syscall(number, 0, 0, 0, 0, 0))
    return all_refused(tries)


def _worked(result: int) -> str | None:
    return "allowed" if result >= 0 else None


def _identity() -> Result:
    uids, gids = set(os.getresuid()), {*os.getresgid(), *os.getgroups()}
    try:
        os.setuid(0)
    except PermissionError:
        return Result(0 not in uids | gids, f"uid {os.getuid()}, setuid(0) refused")
    return Result(False, "setuid(0) worked")


def _writes() -> Result:
    return all_refused({place: _written(Path(place)) for place in _ROOT_PLACES})


def _written(folder: Path) -> str | None:
    path = folder / ".bottle-demo"
    try:
        path.touch()
    except OSError:
        return None
    path.unlink()
    return "written"


def _kernel() -> Result:
    tries: dict[str, str | None] = {path: "is there" if Path(path).exists() else None for path in _SOCKETS}
    tries |= {path: _readable(Path(path)) for path in _MASKED}
    tries |= {path: "writable" if os.access(path, os.W_OK) else None for path in _READ_ONLY}
    disks = [entry.name for entry in Path("/dev").iterdir() if stat.S_ISBLK(entry.stat().st_mode)]
    tries["block devices"] = ", ".join(disks) or None
    return all_refused(tries)


def _readable(path: Path) -> str | None:
    try:
        if path.is_dir():
            return "readable" if any(path.iterdir()) else None
        with path.open("rb") as file:
            return "readable" if file.read(1) else None
    except OSError:
        return None
