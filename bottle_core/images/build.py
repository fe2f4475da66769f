"""One recipe into one image: context, build, and the base first if it is missing."""

import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from bottle_core import labels
from bottle_core.contract import Backend
from bottle_core.images import base, host, recipe

Progress = Callable[[str], None]

_SUPPORT = ".build/"


def build(backend: Backend, name: str, progress: Progress) -> str:
    """Builds the recipe's image and returns its tag; raises ImageBuildError, ImageMissingError, EngineError."""
    reference = recipe.tag(name)
    parent = base.ensure(backend, progress)
    progress(f"building {reference}")
    arguments = {"BASE": parent, **host.build_arguments()}
    with tempfile.TemporaryDirectory(prefix="bottle-build-") as folder:
        tar = Path(folder) / "context.tar"
        tar.write_bytes(context(name, host.bundle()))
        inputs = {labels.INPUTS: recipe.digest(recipe.BASE, recipe.COMMON, name)}
        for line in backend.build_image(str(tar), recipe.CONTAINERFILE, reference, arguments, inputs):
            if line.startswith("Step "):
                progress(f"{name}: {line}")
    progress(f"built {reference}, {(backend.image_size(reference) or 0) / 1e6:.0f} MB")
    return reference


def context(name: str, ca: str) -> bytes:
    """The build context as a tar: the recipe's files, and under .build/ what all recipes share and the host's CA."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for relative, path in recipe.files(recipe.folder(name)):
            _add(tar, relative, path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))
        for relative, path in recipe.files(recipe.folder(recipe.BASE).parent / recipe.COMMON):
            _add(tar, _SUPPORT + relative, path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))
        _add(tar, _SUPPORT + "ca.crt", ca.encode("ascii"))
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, executable: bool = False) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o755 if executable else 0o644
    tar.addfile(entry, io.BytesIO(content))
