"""The engine is found as the docker command finds it."""

import hashlib
import json
from pathlib import Path

import pytest

from bottle_core.errors import EngineUnavailableError, ImageMissingError, NameTakenError, SubnetTakenError
from bottle_docker import probe
from bottle_docker.client import endpoint
from bottle_docker.errors import _from_status


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def add_context(folder: Path, name: str, host: str) -> None:
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(content), encoding="utf-8")


def test_the_default_socket() -> None:
    found = endpoint()
    assert found.url.endswith("/var/run/docker.sock")
    assert found.local


def test_docker_host_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_context(tmp_path, "other", "unix:///other.sock")
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    found = endpoint()
    assert (found.url, found.local) == ("tcp://127.0.0.1:2375", False)


def test_a_named_context_and_the_current_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_context(tmp_path, "work", "unix:///work.sock")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONTEXT", "work")
    assert endpoint().url == "unix:///work.sock"
    monkeypatch.delenv("DOCKER_CONTEXT")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "work"}), encoding="utf-8")
    assert endpoint().url == "unix:///work.sock"


def test_a_context_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EngineUnavailableError, match="nowhere"):
        endpoint()


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "Pool overlaps with other one on this address space", SubnetTakenError),
        (409, 'Conflict. The container name "/x" is already in use by container "y".', NameTakenError),
        (409, "network with name x already exists", NameTakenError),
        (404, "No such image: x:latest", ImageMissingError),
    ],
)
def test_the_engines_words_become_ours(status: int, message: str, kind: type[Exception]) -> None:
    assert type(_from_status("do it", status, message)) is kind


def test_what_an_engine_says_of_itself() -> None:
    info = {
        "SecurityOptions": ["name=seccomp,profile=default"],
        "PidsLimit": True,
        "MemoryLimit": True,
        "CpuCfsQuota": True,
        "Runtimes": {"runc": {}},
        "InitBinary": "docker-init",
        "CgroupVersion": "2",
        "CgroupDriver": "systemd",
    }
    found = probe.describe({"Version": "28.5.2", "ApiVersion": "1.51"}, info, local=True)
    assert (found.version, found.problems, found.rootless) == ("28.5.2", (), False)
    old = probe.describe({"Version": "19.03.1"}, {**info, "SecurityOptions": []}, local=True)
    assert [problem.fatal for problem in old.problems] == [True, True]
