"""Finds the engine as the docker command does, and connects to it."""

import os
import socket
import ssl
import threading
from typing import NamedTuple
from urllib.parse import urlsplit

from docker import APIClient
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from bottle_core.errors import EngineUnavailableError

_DEFAULT = "unix:///var/run/docker.sock"
_TIMEOUT = 60
_INSTALL = "install and start Docker (package docker.io), or use another engine: bottle --backend NAME start AGENT"


class Endpoint(NamedTuple):
    """Where the engine listens: a URL with scheme unix or tcp, and TLS settings for the latter."""

    url: str
    tls: TLSConfig | None

    @property
    def local(self) -> bool:
        """Whether the engine surely runs on this machine."""
        return self.url.startswith("unix:")


def endpoint() -> Endpoint:
    """DOCKER_HOST first, then DOCKER_CONTEXT or the current context, then the default socket."""
    if os.environ.get("DOCKER_HOST"):
        try:
            settings = kwargs_from_env()
        except DockerException as error:
            raise EngineUnavailableError("use DOCKER_HOST", str(error), "check DOCKER_CERT_PATH") from error
        tls = settings.get("tls")
        return _checked(Endpoint(str(settings["base_url"]), tls if isinstance(tls, TLSConfig) else None))
    # The library knows the configuration's current context, and not the variable.
    name = os.environ.get("DOCKER_CONTEXT", "")
    try:
        context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    except Exception as error:
        raise EngineUnavailableError("read the docker context", str(error), "docker context ls") from error
    if context is None:
        raise EngineUnavailableError(
            "use the docker context", f"there is no context {name or 'that is current'!r}", "docker context ls"
        )
    host = context.Host or _DEFAULT
    return _checked(Endpoint(str(host).replace("http+unix://", "unix://"), context.TLSConfig))


def _checked(found: Endpoint) -> Endpoint:
    # kwargs_from_env turns tcp:// into https:// where TLS is on.
    scheme = urlsplit(found.url).scheme
    if scheme not in ("unix", "tcp", "http", "https"):
        raise EngineUnavailableError(
            "connect to the engine",
            f"{found.url} is not a unix socket or a TCP address",
            "forward the socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST, then DOCKER_HOST=unix:///tmp/docker.sock",
        )
    return found


class Clients:
    """One APIClient a thread: the HTTP session beneath is not made for several at once."""

    def __init__(self, found: Endpoint) -> None:
        self.endpoint = found
        self._local = threading.local()
        self._lock = threading.Lock()
        self._version = "auto"
        self._made: list[APIClient] = []

    def get(self) -> APIClient:
        """This thread's client; raises EngineUnavailableError."""
        client: APIClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._make()
        return client

    def _make(self) -> APIClient:
        try:
            client = APIClient(
                base_url=self.endpoint.url,
                tls=self.endpoint.tls or False,
                version=self._version,
                timeout=_TIMEOUT,
            )
            if self._version == "auto":
                client.ping()
        except DockerException as error:
            raise unavailable(error, self.endpoint.url) from error
        with self._lock:
            self._version = client.api_version
            self._made.append(client)
        return client

    def connect(self) -> socket.socket:
        """A raw connection to the engine, for streams; raises EngineUnavailableError."""
        url = urlsplit(self.endpoint.url)
        try:
            if url.scheme == "unix":
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.connect(url.path)
                return connection
            plain = socket.create_connection((url.hostname or "localhost", url.port or 2375), _TIMEOUT)
            plain.settimeout(None)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._encrypted(plain, url.hostname or "localhost") if self.endpoint.tls else plain
        except OSError as error:
            raise unavailable(error, self.endpoint.url) from error

    def _encrypted(self, plain: socket.socket, host: str) -> socket.socket:
        tls = self.endpoint.tls
        assert tls is not None  # noqa: S101  narrows the type; the caller has looked
        context = ssl.create_default_context(cafile=tls.ca_cert or None)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert:
            context.load_cert_chain(*tls.cert)
        return context.wrap_socket(plain, server_hostname=host)

    def close(self) -> None:
        """Lets go of every thread's client."""
        with self._lock:
            for client in self._made:
                client.close()
            self._made.clear()
            self._local = threading.local()


def unavailable(error: Exception, url: str) -> EngineUnavailableError:
    """Why the engine can't be reached, in the user's words."""
    text = str(error)
    action = "reach the Docker engine"
    if "Permission denied" in text or isinstance(error, PermissionError):
        hint = "add your user to the group docker and log in again (its members are root on this machine), or use sudo"
        return EngineUnavailableError(action, f"this user may not use {url}", hint)
    if "No such file" in text or isinstance(error, FileNotFoundError):
        return EngineUnavailableError(action, f"nothing listens at {url}", _INSTALL)
    if "Connection refused" in text or isinstance(error, ConnectionRefusedError):
        return EngineUnavailableError(action, f"{url} refuses connections", "start it: sudo systemctl start docker")
    return EngineUnavailableError(action, f"{url}: {text}", _INSTALL)
