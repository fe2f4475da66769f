"""The contract's methods on a real engine, as the core uses them."""

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from bottle_core import ipam
from bottle_core.errors import EngineError, ImageBuildError, ImageMissingError, NotFoundError, StepTimeoutError
from bottle_core.images import ensure, planned_reference
from bottle_core.images.host import extra_ca
from bottle_core.spec import ImageSource, NetworkSpec
from bottle_docker.backend import DockerBackend
from tests.support.inside import Inside


@pytest.fixture(scope="module")
def backend() -> Iterator[DockerBackend]:
    made = DockerBackend()
    yield made
    made.close()


@pytest.fixture
def container(bottle: Inside, engine: Any) -> str:
    found = engine.containers(filters={"label": ["dev.bottle.agent=looker", "dev.bottle.role=agent"]})
    assert bottle.process.poll() is None
    return str(found[0]["Names"][0].lstrip("/"))


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("no-such-program",), 127),
        (("/etc/passwd",), 126),
        (("/etc",), 126),
    ],
)
def test_exec_codes_are_the_contracts(backend: DockerBackend, container: str, argv: tuple[str, ...], code: int) -> None:
    assert backend.exec(container, argv).exit_code == code


def test_exec_takes_stdin_and_keeps_the_streams_apart(backend: DockerBackend, container: str) -> None:
    data = bytes(range(256)) * 4096
    result = backend.exec(container, ("sh", "-c", "cat; echo apart >&2"), data)
    assert result == (0, data, b"apart\n")


def test_exec_ends_after_its_time(backend: DockerBackend, container: str) -> None:
    with pytest.raises(StepTimeoutError):
        backend.exec(container, ("sleep", "30"), timeout=0.5)


def tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_files_go_in_as_the_agents_and_come_out(backend: DockerBackend, container: str) -> None:
    backend.copy_in(container, "/tmp", tar("given", b"content"))
    assert backend.exec(container, ("stat", "-c", "%u %g", "/tmp/given")).stdout == b"1000 1000\n"
    with pytest.raises(NotFoundError):
        backend.copy_in(container, "/tmp/no/such/folder", tar("given", b"content"))
    with tarfile.open(fileobj=io.BytesIO(backend.copy_out(container, "/etc/passwd"))) as archive:
        assert archive.getnames() == ["passwd"]
    with pytest.raises(NotFoundError):
        backend.copy_out(container, "/no/such/file")


def test_what_is_missing_is_said_in_our_words(backend: DockerBackend) -> None:
    for call in (
        lambda: backend.attach("bottle-nobody"),
        lambda: backend.exec("bottle-nobody", ("true",)),
        lambda: backend.wait("bottle-nobody"),
        lambda: backend.start_agent("bottle-nobody"),
        lambda: backend.logs("bottle-nobody"),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert backend.image_size("bottle/no-such-image:1") is None
    assert backend.image_env("bottle/no-such-image:1") is None
    with pytest.raises((ImageMissingError, EngineError)):
        list(backend.pull_image("bottle/no-such-image:1"))


def test_list_owned_names_what_runs(backend: DockerBackend, container: str) -> None:
    owned = backend.list_owned()
    start = next(item.labels["dev.bottle.start"] for item in owned if item.name == container)
    ours = [item for item in owned if item.labels["dev.bottle.start"] == start]
    assert sorted(item.kind for item in ours) == ["container", "container", "network", "network"]
    assert all(item.running for item in ours if item.kind == "container")


def test_more_networks_than_the_engines_own_pools_hold(backend: DockerBackend) -> None:
    """The engine's default pools end at 31 networks."""
    pool = ipam.Pool.parse("10.234.0.0/16")
    free = ipam.candidates(pool, backend.subnets_in_use(), ipam.host_routes(), 3)
    labels = {"dev.bottle.session": "many", "dev.bottle.start": "many"}
    specs = [
        NetworkSpec(name=f"bottle-many-{number}", role="internal", subnet=subnet, labels=labels)
        for number, subnet in zip(range(36), free, strict=False)
    ]
    try:
        for spec in specs:
            backend.create_network(spec)
    finally:
        for spec in specs:
            backend.remove("network", spec.name)


# Images

LIMITS = {"claude": 650e6, "shell": 300e6, "egress": 300e6, "demo": 300e6}


@pytest.mark.parametrize("name", list(LIMITS))
def test_images_are_small_and_are_not_built_twice(backend: DockerBackend, name: str) -> None:
    said: list[str] = []
    reference = ensure(backend, ImageSource(recipe=name), said.append)
    assert said == []
    assert reference == planned_reference(ImageSource(recipe=name))
    size = backend.image_size(reference)
    assert size is not None
    assert size <= LIMITS[name]


@pytest.mark.parametrize("name", list(LIMITS))
def test_nothing_of_the_host_stays_in_an_image(engine: Any, name: str) -> None:
    """Neither the host's extra authorities nor its proxy settings nor the build's own files."""
    reference = planned_reference(ImageSource(recipe=name))
    # One line of each certificate is enough; public authorities are part of Debian's own package.
    needles = [block.splitlines()[8] for block in extra_ca().split("-----BEGIN CERTIFICATE-----")[1:]]
    script = """
ls -A /run/build 2>/dev/null
for needle; do
    grep -rqsF -- "$needle" /usr/share/ca-certificates || grep -rlsF -- "$needle" /etc /usr /opt /root /home /var
done
true"""
    made = engine.create_container(reference, ["sh", "-c", script, "look", *needles], user="0")
    try:
        engine.start(made)
        engine.wait(made, timeout=120)
        assert engine.logs(made, stderr=False) == b""
    finally:
        engine.remove_container(made, force=True)
    config = engine.inspect_image(reference)["Config"]
    assert [entry.partition("=")[0] for entry in config["Env"]] == ["PATH"]
    history = str(engine.history(reference)).lower()
    assert "http_proxy" not in history
    assert "https_proxy" not in history


def test_a_failed_build_names_the_step_and_its_last_lines(backend: DockerBackend, engine: Any, tmp_path: Any) -> None:
    from bottle_core.images import recipe

    base = recipe.tag(recipe.BASE)
    context = tmp_path / "context.tar"
    text = f"FROM {base}\nRUN echo the last words && false\n"
    context.write_bytes(tar("Containerfile", text.encode()))
    with pytest.raises(ImageBuildError) as caught:
        list(backend.build_image(str(context), "Containerfile", "bottle/broken:1", {}, {}))
    assert "RUN echo the last words" in str(caught.value)
    assert "    the last words" in str(caught.value)
    assert backend.image_size("bottle/broken:1") is None
