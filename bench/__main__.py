"""`make bench`: a warm `bottle start` to the agent's first byte, beside the bare calls that make the same objects."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import objects
from bottle_docker.backend import DockerBackend

ROUNDS = 9
BOTTLE = str(Path(sys.executable).parent / "bottle")


def ours(manifest: Path) -> float:
    """Seconds from the command to the agent's first byte."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [BOTTLE, "start", "--yes", "--manifest", str(manifest), "bench"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    first = process.stdout.read(1)
    seconds = time.perf_counter() - begin
    _, err = process.communicate()
    if first != b"x":
        raise SystemExit(err.decode(errors="replace"))
    return seconds


def help_text() -> float:
    """Seconds of `bottle --help`."""
    begin = time.perf_counter()
    subprocess.run([BOTTLE, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    backend = DockerBackend()
    info = backend.probe()
    manifest = objects.manifest()
    times: dict[str, list[float]] = {"ours": [], "api": [], "command": [], "help": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.json"
        path.write_text(
            json.dumps(
                {
                    "bottles": {"b": {"egress": {"proxy": "mitmproxy"}}},
                    "agents": {"bench": {"bottle": "b", "agent": "shell", "command": ["echo", "x"]}},
                }
            ),
            encoding="utf-8",
        )
        ours(path)
        # One of each in turn, so that a slow moment of the machine meets all of them.
        for _ in range(ROUNDS):
            times["ours"].append(ours(path))
            times["api"].append(objects.api(objects.assembled(manifest, info, objects.subnets(backend))))
            times["command"].append(objects.command(objects.assembled(manifest, info, objects.subnets(backend))))
            times["help"].append(help_text())
    backend.close()
    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"{info.name} {info.version}, median of {ROUNDS}, seconds to the agent's first byte")
    for name, text in (
        ("ours", "bottle start, sealed, observed, granted"),
        ("api", "the same objects by bare API calls, side by side"),
        ("command", "the same objects by the docker command, one after the other"),
    ):
        print(f"  {median[name]:6.3f}  {median[name] / median['api']:5.2f}x  {text}")
    print(f"  {median['help']:6.3f}         bottle --help")


if __name__ == "__main__":
    main()
