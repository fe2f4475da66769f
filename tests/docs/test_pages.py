"""The pages say what the code does: tables against enums, examples against the loader, signatures against hooks."""

import inspect
import re
from pathlib import Path

import pytest

from bottle_core import environment, hookspecs
from bottle_core.agents.claude import ClaudeAgent
from bottle_core.errors import BottleError, ManifestError
from bottle_core.exitcodes import ExitCode
from bottle_core.manifest.load import loads

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_exit_code_is_in_the_table_and_nothing_else() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.+) \|$", page("exit-codes.md"), re.M)
    assert rows == [(str(int(code)), code.name, code.meaning) for code in ExitCode]


def test_every_error_has_a_documented_code() -> None:
    def kinds(of: type[BottleError]) -> list[type[BottleError]]:
        return [of, *(kind for sub in of.__subclasses__() for kind in kinds(sub))]

    assert {kind.exit_code for kind in kinds(BottleError)} <= set(ExitCode)


def test_every_hook_is_documented_with_its_signature() -> None:
    text = page("hooks.md")
    hooks = {n: f for n, f in vars(hookspecs).items() if n.startswith("bottle_") and inspect.isfunction(f)}
    assert set(re.findall(r"^## `(\w+)`$", text, re.M)) == set(hooks)
    for name, function in hooks.items():
        assert f"def {name}{inspect.signature(function)}\n" in text
        assert inspect.getdoc(function) in text


def test_default_hosts_and_variables_are_documented() -> None:
    text = page("agents.md")
    assert re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", text, re.M)[-len(ClaudeAgent().hosts()) :] == [
        (rule.pattern, rule.reason) for rule in ClaudeAgent().hosts()
    ]
    documented = set(re.findall(r"`([A-Za-z_]+)`", text.partition("## Variables of every bottle")[2]))
    assert documented == environment.DOCUMENTED_NAMES


def examples(name: str) -> list[tuple[str, str]]:
    return re.findall(r"```jsonc( error)?\n(.*?)```(?=\n)", page(name), re.S)


@pytest.mark.parametrize(("kind", "text"), examples("manifest.md"))
def test_examples_of_the_manifest_load_or_fail_as_shown(kind: str, text: str) -> None:
    if not kind:
        loads(text, "bottle.jsonc")
        return
    with pytest.raises(ManifestError) as caught:
        loads(text, "bottle.jsonc")
    [shown] = re.findall(r"```\ncouldn't use the manifest.*?```", page("manifest.md"), re.S)
    for problem in caught.value.problems:
        place, _, message = str(problem).partition(": ")
        assert f"{place}: {message.split(': ')[0]}" in shown


def test_the_readmes_manifest_loads() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [manifest] = re.findall(r"\$ cat bottle\.jsonc\n(\{.*?^\})", text, re.S | re.M)
    assert "implementer" in loads(manifest, "bottle.jsonc").agents


def requirements() -> dict[str, str]:
    rows = re.findall(r"^\| ([A-Z]+-\d{3}) \| (.+?) \| ", page("contract.md"), re.M)
    assert len({identity for identity, _ in rows}) == len(rows)
    return dict(rows)


def test_the_contract_and_the_tests_name_the_same_rows() -> None:
    rows = requirements()
    marked = set()
    for path in ROOT.glob("tests/**/*.py"):
        marked |= set(re.findall(r'requirement\("([A-Z]+-\d{3})"\)', path.read_text(encoding="utf-8")))
    assert marked - set(rows) == set()
    assert {identity for identity, text in rows.items() if "*planned*" not in text} == marked


def test_every_requirement_that_the_code_names_exists() -> None:
    rows = requirements()
    for path in [
        *ROOT.glob("bottle_core/**/*.py"),
        *ROOT.glob("backends/**/*.py"),
        *ROOT.glob("containerfiles/**/*.py"),
    ]:
        named = set(re.findall(r"\b((?:NET|SEC|SECRET|FS|IO|LIFE|PAR)-\d{3})\b", path.read_text(encoding="utf-8")))
        assert named <= set(rows), path


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_two_commands_stand_on_the_readmes_first_screen() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25]
    assert any(line.startswith("make demo") for line in first)
    assert any(line.startswith("make test") for line in first)


def test_ci_runs_what_a_newcomer_runs() -> None:
    commands = [line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if "make" in line]
    assert commands == ["exec make test </dev/null"]
