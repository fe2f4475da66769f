"""The base image: Debian, pulled where a registry has it, else bootstrapped from the machine's own package mirror."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bottle_core.contract import Backend
from bottle_core.errors import ImageBuildError, ImageMissingError
from bottle_core.images import recipe

_PULL_TIMEOUT = 5.0
_TAIL = 15


def ensure(backend: Backend, progress: Callable[[str], None]) -> str:
    """The tag of the base image; made once, then used whichever way it was made."""
    reference = recipe.tag(recipe.BASE)
    if backend.image_size(reference) is not None:
        return reference
    settings = _settings()
    public = settings["IMAGE"]
    reason = backend.can_pull(public, _PULL_TIMEOUT)
    if not reason:
        progress(f"pulling {public}")
        for line in backend.pull_image(public):
            progress(line)
        _retag(backend, public, reference)
        return reference
    progress(
        f"{public} can't be pulled ({reason.splitlines()[0][:160]}); bootstrapping {settings['SUITE']} from packages"
    )
    _bootstrap(backend, settings["SUITE"], reference)
    progress(f"bootstrapped {reference}, {(backend.image_size(reference) or 0) / 1e6:.0f} MB")
    return reference


def _settings() -> dict[str, str]:
    """IMAGE and SUITE of containerfiles/base/base.conf."""
    lines = (recipe.folder(recipe.BASE) / "base.conf").read_text(encoding="ascii").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _retag(backend: Backend, public: str, reference: str) -> None:
    """An image of our name on the pulled one, so that later builds ask for one name only."""
    with tempfile.TemporaryDirectory(prefix="bottle-base-") as folder:
        tar = Path(folder) / "context.tar"
        _pack_file(tar, recipe.CONTAINERFILE, f"FROM {public}\n".encode())
        for _ in backend.build_image(str(tar), recipe.CONTAINERFILE, reference, {}, {}):
            pass


def _pack_file(tar: Path, name: str, content: bytes) -> None:
    import io
    import tarfile

    with tarfile.open(tar, "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def _bootstrap(backend: Backend, suite: str, reference: str) -> None:
    script = recipe.folder(recipe.BASE) / "bootstrap.sh"
    action = "bootstrap the base image from packages"
    if shutil.which("debootstrap") is None and not Path("/usr/sbin/debootstrap").exists():
        raise ImageMissingError(
            action, "debootstrap is not installed", "sudo apt-get install debootstrap, or give the engine a registry"
        )
    privilege = [] if os.geteuid() == 0 else ["sudo", "-n"]
    with tempfile.TemporaryDirectory(prefix="bottle-base-") as folder:
        tar = Path(folder) / "base.tar"
        command = [*privilege, "sh", str(script), suite, str(tar), str(os.getuid())]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if result.returncode != 0:
            last = "\n".join(f"    {line}" for line in (result.stdout + result.stderr).splitlines()[-_TAIL:])
            hint = "it needs root: run as root or allow sudo" if privilege else ""
            raise ImageBuildError(action, f"{shlex.join(command)} ended with {result.returncode}:\n{last}", hint)
        backend.import_image(str(tar), reference)
