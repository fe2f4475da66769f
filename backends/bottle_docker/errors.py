"""docker-py's and the engine's errors as ours: one sentence each, with what to try."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError, DockerException
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ReadTimeout, RequestException

from bottle_core.errors import (
    BottleError,
    ContainerError,
    EngineError,
    ImageMissingError,
    NameTakenError,
    NotFoundError,
    StepTimeoutError,
    SubnetTakenError,
)
from bottle_core.hijack import RefusedError

_OVERLAP = re.compile(
    r"overlaps with other one|invalid pool request|conflicts with network|address already in use", re.I
)
_START = re.compile(r"OCI runtime|failed to create (shim|task)|exec format error|executable file not found", re.I)
_NO_SPACE = re.compile(r"no space left on device", re.I)


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Raises our error for whatever the client library or the engine raises inside; `action` as in "couldn't …"."""
    try:
        yield
    except APIError as error:
        raise _from_status(action, error.status_code or 0, str(error.explanation or error)) from error
    except RefusedError as error:
        raise _from_status(action, error.status, error.message) from error
    except ReadTimeout as error:
        raise StepTimeoutError(action, "the engine did not answer in time", "docker info") from error
    except (RequestsConnectionError, OSError) as error:
        raise EngineError(action, f"the connection to the engine broke: {error}", "docker info") from error
    except (DockerException, RequestException) as error:
        raise EngineError(action, str(error)) from error


def _from_status(action: str, status: int, message: str) -> BottleError:  # noqa: PLR0911  a table of cases
    message = " ".join(message.split())
    if _NO_SPACE.search(message):
        return EngineError(action, "the engine's disk is full", "docker system df; docker image prune")
    if _OVERLAP.search(message):
        return SubnetTakenError(action, message, "set BOTTLE_SUBNET_POOL to another private range")
    if "No such image" in message:
        return ImageMissingError(action, message, "bottle image build")
    if _START.search(message):
        return ContainerError(action, message)
    if status == 404:
        return NotFoundError(action, message)
    if status == 409 and ("already in use" in message or "already exists" in message):
        return NameTakenError(action, message)
    return EngineError(action, message)
