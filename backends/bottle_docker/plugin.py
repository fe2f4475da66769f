"""Registers the Docker backend; importing this imports no engine library."""

from collections.abc import Iterable

from bottle_core.hookspecs import BackendRegistration, hookimpl


@hookimpl
def bottle_register_backends() -> Iterable[BackendRegistration]:
    return (
        BackendRegistration(
            name="docker",
            summary="Docker Engine 20.10 and later, through its API",
            contract=(1, 0),
            factory="bottle_docker.backend:DockerBackend",
        ),
    )
