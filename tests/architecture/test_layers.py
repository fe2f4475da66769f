"""Arrows point one way, the command starts light, files are small, and the wheel has everything."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SOURCES = [*ROOT.glob("bottle_core/**/*.py"), *ROOT.glob("backends/**/*.py"), *ROOT.glob("containerfiles/**/*.py")]


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_follow_the_layers() -> None:
    done = run(str(BIN / "lint-imports"), "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_lint(command: list[str]) -> None:
    done = run(str(BIN / "ruff"), *command, ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types() -> None:
    done = run(str(BIN / "mypy"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [[], ["start"], ["image"]])
def test_help_imports_no_engine_library(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['bottle', *{arguments!r}, '--help']\n"
        "from bottle_core.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('docker', 'podman', 'requests', 'rich') if name in sys.modules], file=sys.stderr)\n"
    )
    done = run(sys.executable, "-c", program)
    assert done.stderr.strip().splitlines()[-1] == "[]"
    assert "Usage: bottle" in done.stdout


def test_help_of_the_command_itself_imports_no_models() -> None:
    program = (
        "import sys; import bottle_core.cli.command; print([n for n in ('pydantic', 'pluggy') if n in sys.modules])"
    )
    assert run(sys.executable, "-c", program).stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 420


def test_the_spec_has_no_engines_word() -> None:
    text = (ROOT / "bottle_core" / "spec.py").read_text(encoding="utf-8").lower()
    assert [word for word in ("docker", "podman", "libpod", "moby") if word in text] == []


def test_the_wheel_is_complete(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), ".")
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("bottle_core-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for wanted in (
        *("bottle_core/cli/start.py", "bottle_docker/backend.py", "bottle_core/_containerfiles/entry/entry.sh"),
        *(
            "bottle_core/_containerfiles/egress/bottle_egress/proxy.py",
            "bottle_core/_containerfiles/demo/probe/__main__.py",
        ),
    ):
        assert wanted in names
    assert not any(name.startswith(("tests/", "backends/")) or name.endswith(".pyc") for name in names)


def test_an_installed_wheel_is_a_working_command(tmp_path: Path) -> None:
    """What `pip install .` gives in an environment of its own, dependencies taken from this one."""
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), ".")
    [wheel] = tmp_path.glob("bottle_core-*.whl")
    site = tmp_path / "site"
    done = run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel))
    assert done.returncode == 0, done.stderr
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import bottle_core, bottle_core.images.recipe as r\n"
        f"assert bottle_core.__file__.startswith({str(site)!r}), bottle_core.__file__\n"
        "print(r.tag('egress'))\n"
    )
    installed = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    here = run(sys.executable, "-c", "import bottle_core.images.recipe as r; print(r.tag('egress'))")
    assert installed.stdout == here.stdout != "", installed.stderr
