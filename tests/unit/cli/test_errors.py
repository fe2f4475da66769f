"""Bad input gets one clear error and its exit code; nothing is asked of an engine, nothing is left, never a traceback."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from bottle_core.errors import EngineUnavailableError
from bottle_docker.backend import DockerBackend
from tests.support.cli import Result, User

GOOD = {"b": {}}, {"a": {"bottle": "b", "agent": "shell", "command": ["true"]}}


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def checked(done: Result, code: int, *wanted: str) -> None:
    assert done.code == code, done.err
    assert "Traceback" not in done.err + done.out
    assert done.err.count("couldn't") <= 1
    for text in wanted:
        assert text in done.err


def test_no_engine(user: User) -> None:
    user.write(*GOOD)
    user.variables["DOCKER_HOST"] = f"unix://{user.home}/no.sock"
    checked(user.start("a"), 69, "couldn't reach the Docker engine", "nothing listens", "try: ")
    assert user.records() == []


def test_an_engine_that_refuses_connections(user: User) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user.write(*GOOD)
    user.variables["DOCKER_HOST"] = f"tcp://127.0.0.1:{port}"
    checked(user.start("a"), 69, "refuses connections")


def test_an_engine_that_this_user_may_not_use(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may use any socket, so the question is asked by a child that is nobody in particular."""
    path = user.home / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    for folder in (user.home, *user.home.parents):
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    backend = DockerBackend()
    read, write = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        child = os.fork()
        if child == 0:
            if os.geteuid() == 0:
                os.setuid(65534)
            try:
                backend.probe()
            except EngineUnavailableError as error:
                os.write(write, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
    said = os.read(read, 4096).decode()
    assert f"this user may not use unix://{path}" in said
    assert "group docker" in said


@pytest.mark.parametrize("host", ["ssh://root@example.org", "npipe:////./pipe/docker", "ftp://x", "unix"])
def test_an_engine_address_of_another_kind(user: User, host: str) -> None:
    user.write(*GOOD)
    user.variables["DOCKER_HOST"] = host
    checked(user.start("a"), 69)


@contextmanager
def engine_that_says(path: Path, status: int, message: str) -> Iterator[None]:
    """A server that answers the version and fails everything else, for the wording of errors only."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            known = self.path.endswith(("/_ping", "/version", "/info"))
            about = {
                "ApiVersion": "1.41",
                "Version": "20.10.24",
                "SecurityOptions": ["name=seccomp"],
                "OSType": "linux",
            }
            body = json.dumps(about if known else {"message": message}).encode()
            self.send_response(200 if known else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = do_HEAD = answer

        def log_message(self, *_: object) -> None: ...

        def address_string(self) -> str:
            return "unix"

    server = ThreadingUnixStreamServer(str(path), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def test_no_space_on_the_engines_disk(user: User) -> None:
    user.write(*GOOD)
    path = user.home / "e.sock"
    user.variables["DOCKER_HOST"] = f"unix://{path}"
    with engine_that_says(path, 500, "write /var/lib/docker/x: no space left on device"):
        checked(user.start("a"), 69, "the engine's disk is full", "docker system df")


def test_an_engine_that_fails_with_a_message_of_its_own(user: User) -> None:
    user.write(*GOOD)
    path = user.home / "e.sock"
    user.variables["DOCKER_HOST"] = f"unix://{path}"
    with engine_that_says(path, 500, "the moon is in the wrong house"):
        checked(user.start("a"), 69, "the moon is in the wrong house")


def test_an_unknown_agent_lists_the_agents(user: User) -> None:
    user.write({"b": {}}, {"implementer": {"bottle": "b"}, "reviewer": {"bottle": "b"}})
    checked(user.start("implementor"), 2, "implementer, reviewer", "try: bottle start implementer")


def test_an_unknown_bottle_is_an_error_of_the_manifest(user: User) -> None:
    user.write({"default": {}}, {"a": {"bottle": "defualt"}})
    checked(user.start("a"), 65, "manifest.json:1:", 'did you mean "default"')


def test_a_malformed_manifest_shows_all_its_faults(user: User) -> None:
    user.manifest.write_text('{"bottles": {"b": {"egres": 1, "env": {"A": 2}}}}', encoding="utf-8")
    done = user.start("a")
    checked(done, 65, "2 errors", "manifest.json:1:")


def test_a_missing_host_variable(user: User) -> None:
    user.write({"b": {"env": {"T": "${NOT_SET_ANYWHERE}"}}}, {"a": {"bottle": "b", "agent": "shell"}})
    path = user.home / "e.sock"
    user.variables["DOCKER_HOST"] = f"unix://{path}"
    with engine_that_says(path, 404, "no such image"):
        checked(user.start("a"), 65, "NOT_SET_ANYWHERE", "manifest.json:1:")


def test_a_missing_manifest(user: User) -> None:
    checked(user.run("start", "--yes", "a"), 2, "there is no manifest")
    checked(user.run("start", "--yes", "--manifest", "nowhere.json", "a"), 65, "nowhere.json")


def test_unknown_plugins(user: User) -> None:
    user.write({"b": {}}, {"a": {"bottle": "b", "agent": "cluade"}})
    path = user.home / "e.sock"
    user.variables["DOCKER_HOST"] = f"unix://{path}"
    with engine_that_says(path, 404, "no such image"):
        checked(user.start("a"), 2, "agent kind", "claude")
        user.write({"b": {"egress": {"proxy": "squid"}}}, {"a": {"bottle": "b", "agent": "shell"}})
        checked(user.start("a"), 2, "egress proxy", "mitmproxy")
    checked(user.run("--backend", "dokcer", "start", "--yes", "demo"), 2, "docker")
    checked(user.run("start", "--backend", "lxc", "--yes", "demo"), 2, "only these are installed")


def test_without_a_terminal_there_is_no_question(user: User) -> None:
    user.write(*GOOD)
    checked(user.run("start", "--manifest", str(user.manifest), "a"), 2, "not a terminal", "--yes")


@pytest.mark.parametrize(
    "arguments",
    [["strat"], ["start"], ["start", "--no-such"], ["start", "--format", "xml", "a"], ["image", "build", "no-such"]],
)
def test_a_wrong_command_line(user: User, arguments: list[str]) -> None:
    done = user.run(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_project_may_not_hand_out_secrets_by_itself(user: User) -> None:
    project = user.home / "repo"
    project.mkdir()
    (project / "bottle.json").write_text(
        json.dumps(
            {
                "bottles": {"b": {"env": {"T": "${HOME}"}, "egress": {"allowlist": ["evil.test"]}}},
                "agents": {"a": {"bottle": "b", "agent": "shell"}},
            }
        ),
        encoding="utf-8",
    )
    path = user.home / "e.sock"
    user.variables["DOCKER_HOST"] = f"unix://{path}"
    with engine_that_says(path, 404, "no such image"):
        process = user.popen("start", "--yes", "a", cwd=project)
        out, err = process.communicate(timeout=60)
    checked(
        Result(process.returncode, out.decode(), err.decode()), 77, "the secret T", "the host evil.test", "--manifest"
    )


def test_help_is_there_for_every_verb(user: User) -> None:
    for arguments in ([], ["start"], ["image"], ["image", "build"], ["image", "ls"]):
        done = user.run(*arguments, "--help")
        assert (done.code, "Usage: bottle" in done.out) == (0, True)
    assert user.run("--version").out.startswith("bottle, version ")


def test_a_bad_pool_is_a_usage_error(user: User) -> None:
    user.write(*GOOD)
    user.variables["BOTTLE_SUBNET_POOL"] = "8.8.8.0/24"
    path = user.home / "e.sock"
    user.variables["DOCKER_HOST"] = f"unix://{path}"
    with engine_that_says(path, 500, "never asked"):
        assert "Traceback" not in user.start("a").err
