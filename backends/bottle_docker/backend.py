"""The contract of bottle_core.contract on Docker Engine 20.10 and later."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from docker.errors import APIError
from docker.errors import NotFound as EngineNotFound

from bottle_core import labels
from bottle_core.contract import Backend, Chunk, EngineInfo, ExecResult, Outcome, Owned, Session, Stream
from bottle_core.errors import (
    BottleError,
    EngineError,
    ImageBuildError,
    ImageMissingError,
    NotFoundError,
    StepTimeoutError,
)
from bottle_core.hijack import HijackedSession, RefusedError, open_stream
from bottle_core.labels import BUILD_STAGE
from bottle_core.spec import AgentSpec, ContainerSpec, NetworkSpec, SidecarSpec
from bottle_docker import probe, translate
from bottle_docker.client import Clients, endpoint
from bottle_docker.errors import translated

_GONE_TRIES = 100
_GONE_PAUSE = 0.05
_COPY_LIMIT = 1024**3
_BUILD_TAIL = 20
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


class DockerBackend(Backend):
    """One Docker engine, found as the docker command finds it."""

    def __init__(self) -> None:
        self._clients = Clients(endpoint())
        self._init: bool | None = None
        self._lock = threading.Lock()

    @property
    def _api(self) -> Any:
        return self._clients.get()

    def _has_init(self) -> bool:
        """Whether the engine can put an init in front; asked once."""
        with self._lock:
            if self._init is None:
                self._init = probe.has_init(self._api.info())
            return self._init

    def probe(self) -> EngineInfo:
        with translated("ask the Docker engine what it is"):
            info = self._api.info()
            found = probe.describe(self._api.version(), info, local=self._clients.endpoint.local)
        self._init = probe.has_init(info)
        return found

    # Images

    def image_env(self, reference: str) -> tuple[str, ...] | None:
        image = self._image(reference)
        if image is None:
            return None
        return tuple(entry.partition("=")[0] for entry in (image.get("Config") or {}).get("Env") or ())

    def image_size(self, reference: str) -> int | None:
        image = self._image(reference)
        return None if image is None else int(image["Size"])

    def _image(self, reference: str) -> dict[str, Any] | None:
        with translated(f"inspect the image {reference}"):
            try:
                found: dict[str, Any] = self._api.inspect_image(reference)
            except EngineNotFound:
                return None
        return found

    def can_pull(self, reference: str, timeout: float) -> str:
        path = f"/v{self._api.api_version}/distribution/{quote(reference, safe='/:@')}/json"
        try:
            with translated(f"ask for {reference}"):
                response = self._api.get(self._api.base_url + path, timeout=timeout)
                self._api._raise_for_status(response)
        except BottleError as error:
            return error.because
        return ""

    def pull_image(self, reference: str) -> Iterator[str]:
        with translated(f"pull {reference}"):
            for line in self._api.pull(reference, stream=True, decode=True):
                if "error" in line:
                    raise ImageMissingError(f"pull {reference}", str(line["error"]), "check the network and the name")
                if line.get("status") and not line.get("progress"):
                    yield f"{line.get('id', '')} {line['status']}".strip()

    def import_image(self, tar_path: str, reference: str) -> None:
        repository, _, tag = reference.rpartition(":")
        with translated(f"import {reference}"), Path(tar_path).open("rb") as tar:
            parameters = {"fromSrc": "-", "repo": repository, "tag": tag}
            response = self._api._post(
                self._api._url("/images/create"),
                data=tar,
                params=parameters,
                headers={"Content-Type": "application/tar"},
                timeout=None,
            )
            for line in self._api._stream_helper(response, decode=True):
                if "error" in line:
                    raise EngineError(f"import {reference}", str(line["error"]))

    def build_image(
        self, context_tar: str, containerfile: str, reference: str, buildargs: dict[str, str], labels: dict[str, str]
    ) -> Iterator[str]:
        step, tail, stage = "the first step", [""], secrets.token_hex(8)
        with translated(f"build {reference}"), Path(context_tar).open("rb") as context:
            stream = self._api.build(
                fileobj=context,
                custom_context=True,
                dockerfile=containerfile,
                tag=reference,
                buildargs={**buildargs, "STAGE": stage},
                labels=labels,
                rm=True,
                forcerm=True,
                decode=True,
                timeout=None,
            )
            for line in stream:
                if "error" in line:
                    last = "\n".join(f"    {text}" for text in tail[-_BUILD_TAIL:] if text)
                    raise ImageBuildError(f"build {reference}", f"{step} failed: {line['error']}\n{last}")
                for text in str(line.get("stream", "")).splitlines():
                    if text.startswith("Step "):
                        step = text.strip()
                    tail.append(text.rstrip())
                    del tail[:-_BUILD_TAIL]
                    yield text.rstrip()
            # Without BuildKit the engine keeps every stage; what the last one took from them is all that counts.
            self._api.prune_images({"dangling": True, "label": f"{BUILD_STAGE}={stage}"})

    def remove_image(self, reference: str) -> None:
        with translated(f"remove the image {reference}"), suppress(EngineNotFound):
            self._api.remove_image(reference)

    # Networks

    def subnets_in_use(self) -> list[IPv4Network]:
        with translated("list the engine's networks"):
            networks = self._api.networks()
        found = []
        for network in networks:
            for config in (network.get("IPAM") or {}).get("Config") or ():
                with suppress(AddressValueError, ValueError):
                    found.append(IPv4Network(config.get("Subnet", ""), strict=False))
        return found

    def create_network(self, spec: NetworkSpec) -> None:
        with translated(f"create the network {spec.name}"):
            response = self._api._post_json(self._api._url("/networks/create"), data=translate.network(spec))
            self._api._raise_for_status(response)

    # Containers

    def start_sidecar(self, spec: SidecarSpec, config: bytes) -> Session:
        self._create(spec, translate.sidecar(spec, init=self._has_init()))
        with translated(f"connect {spec.name} to its second network"):
            for index, attachment in enumerate(spec.attachments[1:], 1):
                body = {"Container": spec.name, "EndpointConfig": translate.endpoint(spec, index)}
                url = self._api._url("/networks/{0}/connect", attachment.network)
                self._api._raise_for_status(self._api._post_json(url, data=body))
        session = self.attach(spec.name)
        try:
            self._start(spec.name)
            session.write(config)
            session.close_stdin()
        except BaseException:
            session.close()
            raise
        return session

    def create_agent(self, spec: AgentSpec) -> None:
        self._create(spec, translate.agent(spec, init=self._has_init()))

    def _create(self, spec: ContainerSpec, body: dict[str, Any]) -> None:
        with translated(f"create the container {spec.name}"):
            response = self._api._post_json(self._api._url("/containers/create"), data=body, params={"name": spec.name})
            self._api._raise_for_status(response)

    def start_agent(self, name: str) -> None:
        self._start(name)

    def _start(self, name: str) -> None:
        with translated(f"start the container {name}"):
            response = self._api._post(self._api._url("/containers/{0}/start", name))
            self._api._raise_for_status(response)

    def attach(self, name: str) -> Session:
        with translated(f"attach to the container {name}"):
            tty = bool(self._api.inspect_container(name)["Config"]["Tty"])
            query = urlencode({"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1})
            return self._hijack(
                f"/containers/{quote(name)}/attach?{query}", None, tty, f"/containers/{quote(name)}/resize"
            )

    def _hijack(self, path: str, body: dict[str, object] | None, tty: bool, resize: str) -> HijackedSession:
        version = f"/v{self._api.api_version}"
        connection, rest = open_stream(self._clients.connect, version + path, body)

        def resizer(rows: int, columns: int) -> None:
            with suppress(BottleError, APIError), translated("resize the terminal"):
                url = f"{self._api.base_url}{version}{resize}"
                self._api._raise_for_status(self._api._post(url, params={"h": rows, "w": columns}))

        return HijackedSession(connection, rest, tty=tty, resizer=resizer)

    def exec(self, name: str, argv: tuple[str, ...], stdin: bytes = b"", timeout: float = 30.0) -> ExecResult:
        action = f"run {argv[0]} in the container {name}"
        with translated(action):
            created = self._api.exec_create(name, list(argv), stdin=bool(stdin), stdout=True, stderr=True)
            identity = created["Id"]
            try:
                body: dict[str, object] = {"Detach": False, "Tty": False}
                session = self._hijack(f"/exec/{identity}/start", body, tty=False, resize=f"/exec/{identity}/resize")
            except RefusedError as error:
                return _unstartable(error.message, error)
            expired = threading.Event()

            def expire() -> None:
                expired.set()
                session.close()

            timer = threading.Timer(timeout, expire)
            timer.start()
            try:
                with session:
                    stdout, stderr = _exchange(session, stdin)
            finally:
                timer.cancel()
            if expired.is_set():
                raise StepTimeoutError(action, f"it did not end within {timeout:.0f} s")
            code = self._exec_code(identity)
        if code in (_NOT_EXECUTABLE, _NOT_FOUND) and (unstartable := _runtime_says(stdout + stderr)):
            return unstartable
        return ExecResult(code, stdout, stderr)

    def _exec_code(self, identity: str) -> int:
        """The exit code; the engine notes it a moment after the streams have ended."""
        for _ in range(_GONE_TRIES):
            state = self._api.exec_inspect(identity)
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            time.sleep(_GONE_PAUSE)
        raise EngineError("read an exec's exit code", "the engine says that it still runs")

    def copy_in(self, name: str, folder: str, tar: bytes) -> None:
        result = self.exec(name, ("tar", "-x", "-f", "-", "-C", folder), tar)
        if result.exit_code == _NOT_FOUND:
            raise EngineError(f"copy files into {name}", "its image has no tar")
        if result.exit_code != 0:
            message = result.stderr.decode("utf-8", "replace").strip()
            kind = NotFoundError if "Cannot open" in message or "can't change directory" in message else EngineError
            raise kind(f"copy files into {name}:{folder}", message)

    def copy_out(self, name: str, path: str) -> bytes:
        action = f"copy {path} out of {name}"
        with translated(action):
            chunks, _ = self._api.get_archive(name, path)
            parts, total = [], 0
            for part in chunks:
                total += len(part)
                if total > _COPY_LIMIT:
                    raise EngineError(action, "it is larger than 1 GiB")
                parts.append(part)
        return b"".join(parts)

    def logs(self, name: str) -> bytes:
        """Always empty: nothing is logged to the engine's disk; the attached stream is the only place."""
        with translated(f"inspect the container {name}"):
            self._api.inspect_container(name)
        return b""

    def wait(self, name: str) -> Outcome:
        with translated(f"wait for the container {name}"):
            code = int(self._api.wait(name, timeout=None)["StatusCode"])
            state = self._api.inspect_container(name)["State"]
        return Outcome(code, bool(state.get("OOMKilled")))

    def stop(self, name: str, grace: float) -> None:
        with translated(f"stop the container {name}"), suppress(EngineNotFound):
            self._api.stop(name, timeout=int(grace))

    def remove(self, kind: Literal["container", "network"], name: str) -> None:
        if kind == "container":
            self._remove_container(name)
        else:
            self._remove_network(name)

    def _remove_container(self, name: str) -> None:
        with translated(f"remove the container {name}"):
            for _ in range(_GONE_TRIES):
                try:
                    self._api.remove_container(name, v=True, force=True)
                except EngineNotFound:
                    return
                except APIError as error:
                    # Somebody else is removing it; it is gone when the engine says 404.
                    if error.status_code != 409:
                        raise
                time.sleep(_GONE_PAUSE)
        raise EngineError(f"remove the container {name}", "the engine goes on removing it")

    def _remove_network(self, name: str) -> None:
        with translated(f"remove the network {name}"):
            for attempt in range(_GONE_TRIES):
                try:
                    self._api.remove_network(name)
                except EngineNotFound:
                    return
                except APIError as error:
                    if "active endpoints" not in str(error) or attempt == _GONE_TRIES - 1:
                        raise
                    self._disconnect_all(name)
                    time.sleep(_GONE_PAUSE)
                else:
                    return

    def _disconnect_all(self, network: str) -> None:
        with suppress(EngineNotFound):
            for container in self._api.inspect_network(network).get("Containers") or {}:
                with suppress(APIError):
                    self._api.disconnect_container_from_network(container, network, force=True)

    def list_owned(self) -> list[Owned]:
        only = {"label": labels.SESSION}
        with translated("list what is ours"):
            containers = self._api.containers(all=True, filters=only)
            networks = self._api.networks(filters=only)
        owned = [
            Owned("container", c["Names"][0].lstrip("/"), dict(c["Labels"]), c["State"] == "running")
            for c in containers
        ]
        return owned + [Owned("network", n["Name"], dict(n["Labels"]), running=True) for n in networks]

    def close(self) -> None:
        self._clients.close()


def _exchange(session: HijackedSession, stdin: bytes) -> tuple[bytes, bytes]:
    """Sends stdin while reading, so that neither side blocks the other; returns stdout and stderr."""
    writer = threading.Thread(target=_send, args=(session, stdin), daemon=True)
    writer.start()
    parts: dict[Stream, list[bytes]] = {Stream.STDOUT: [], Stream.STDERR: []}
    chunk: Chunk | None
    while (chunk := session.read()) is not None:
        parts[chunk.stream].append(chunk.data)
    writer.join(1.0)
    return b"".join(parts[Stream.STDOUT]), b"".join(parts[Stream.STDERR])


def _send(session: HijackedSession, stdin: bytes) -> None:
    if stdin:
        session.write(stdin)
    session.close_stdin()


def _runtime_says(output: bytes) -> ExecResult | None:
    """What the runtime printed instead of running the command, as the documented code; engines differ (IO-002)."""
    text = output.decode("utf-8", "replace")
    if "OCI runtime exec failed" not in text:
        return None
    return _code_for(text)


def _unstartable(message: str, cause: Exception) -> ExecResult:
    result = _code_for(message)
    if result is None:
        raise cause
    return result


def _code_for(text: str) -> ExecResult | None:
    stderr = text.strip().encode()
    if "executable file not found" in text or "no such file or directory" in text:
        return ExecResult(_NOT_FOUND, b"", stderr)
    if "permission denied" in text or "exec format error" in text:
        return ExecResult(_NOT_EXECUTABLE, b"", stderr)
    return None
