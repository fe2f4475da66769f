"""What is left of bottles, asked of the engine directly, beside the backend under test."""

import tempfile
from pathlib import Path

import docker

LABEL = "dev.bottle.session"


def api() -> docker.APIClient:
    """A client of the engine that the tests use, independent of the product's."""
    return docker.from_env().api


def owned(client: docker.APIClient) -> set[str]:
    """Containers and networks with our label, and anonymous volumes of nobody."""
    containers = client.containers(all=True, filters={"label": LABEL})
    networks = client.networks(filters={"label": LABEL})
    volumes = client.volumes(filters={"dangling": True})["Volumes"] or []
    return (
        {f"container {c['Names'][0].lstrip('/')}" for c in containers}
        | {f"network {n['Name']}" for n in networks}
        | {f"volume {v['Name']}" for v in volumes}
    )


def temporary() -> set[str]:
    """Files of ours in the folder for temporary files."""
    return {str(path) for path in Path(tempfile.gettempdir()).glob("bottle-*")}
