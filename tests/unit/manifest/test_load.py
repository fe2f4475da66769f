"""A manifest's file: values with their places, and every fault at once."""

import time
from pathlib import Path

import pytest

from bottle_core.errors import ManifestError
from bottle_core.manifest.interpolate import Ask, FromHost, Plain
from bottle_core.manifest.load import load, loads


def problems(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        loads(text, "m.jsonc")
    return [str(problem) for problem in caught.value.problems]


def test_the_forms_of_a_value() -> None:
    manifest = loads(
        '{"bottles": {"b": {"env": {"A": "text", "B": "${HOST_B}", "C": "?Password", "D": "x ${Y} z", "E": ""}}}}', "m"
    )
    assert manifest.bottles["b"].env == {
        "A": Plain("text"),
        "B": FromHost("HOST_B"),
        "C": Ask("Password"),
        "D": Plain("x ${Y} z"),
        "E": Plain(""),
    }


def test_comments_and_trailing_commas_are_allowed() -> None:
    text = """// the whole file
    {
      "bottles": { /* one */ "b": {"egress": {"allowlist": ["a.test", /* two */ "*.b.test:8443",]}}, },
      "agents": {"x": {"bottle": "b", "command": ["echo", "// no comment"],}},
    }"""
    manifest = loads(text, "m")
    assert [(rule.pattern, rule.ports) for rule in manifest.bottles["b"].egress.allowlist] == [
        ("a.test", (80, 443)),
        ("*.b.test", (8443,)),
    ]
    assert manifest.agents["x"].command == ("echo", "// no comment")
    assert manifest.agents["x"].agent == "claude"


def test_every_fault_is_reported_at_its_place() -> None:
    text = """{
  "bottles": {
    "b": {
      "egres": {},
      "env": {"1BAD": "x", "HTTPS_PROXY": "x", "LD_PRELOAD": "x", "N": 5},
      "egress": {"allowlist": ["https://x.test/", "*.com", 7], "proxy": true}
    }
  },
  "agents": {"x": {"bottle": "c"}, "y": {}}
}"""
    found = problems(text)
    assert found[0].startswith("m.jsonc:4:7: ")
    assert 'did you mean "egress"' in found[0]
    places = [line.split(": ")[0] for line in found]
    assert places == [
        *("m.jsonc:4:7", "m.jsonc:5:15", "m.jsonc:5:28", "m.jsonc:5:48", "m.jsonc:5:72"),
        *("m.jsonc:6:32", "m.jsonc:6:51", "m.jsonc:6:60", "m.jsonc:6:73", "m.jsonc:9:30", "m.jsonc:9:41"),
    ]


@pytest.mark.parametrize("key", ["ssh", "extends", "limits", "runtime", "credentials"])
def test_what_this_version_cannot_do_is_refused_and_not_ignored(key: str) -> None:
    [found] = problems(f'{{"bottles": {{"b": {{"{key}": {{}}}}}}}}')
    assert "this version" in found


def test_a_key_twice_is_a_fault() -> None:
    [found] = problems('{"bottles": {"b": {}, "b": {}}}')
    assert found.startswith("m.jsonc:1:23: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '"x"',
        "{",
        '{"a" 1}',
        "{'a': 1}",
        '{"a": NaN}',
        "\0",
        '{"bottles": {}} {}',
        '{"x": 01}',
        "// only",
    ],
)
def test_what_is_no_manifest_is_one_clear_error(text: str) -> None:
    found = problems(text)
    assert len(found) >= 1
    assert all("Traceback" not in line for line in found)


def test_limits_are_errors_and_not_crashes(tmp_path: Path) -> None:
    assert problems("[" * 100_000)
    assert problems('{"a":' * 5000 + "1" + "}" * 5000)
    file = tmp_path / "big.json"
    file.write_text('{"bottles": {}}' + " " * (1024 * 1024), encoding="utf-8")
    with pytest.raises(ManifestError):
        load(file)


def test_a_thousand_agents_are_quick() -> None:
    agents = ",".join(f'"a{n}": {{"bottle": "b", "prompt": "p"}}' for n in range(1000))
    text = '{"bottles": {"b": {}}, "agents": {' + agents + "}}"
    loads('{"bottles": {}}', "warm")
    begin = time.perf_counter()
    assert len(loads(text, "m").agents) == 1000
    # 0.2 s where nothing else runs; four times that where much does.
    assert time.perf_counter() - begin < 0.8


def test_a_missing_file_and_one_that_is_none(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path, Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(ManifestError):
            load(path)


def test_a_value_that_looks_like_a_credential_is_a_warning_without_the_value() -> None:
    secret = "sk-ant-oat01-" + "A" * 80
    manifest = loads(f'{{"bottles": {{"b": {{"env": {{"TOKEN": "{secret}"}}}}}}}}', "m")
    [warning] = manifest.warnings
    assert (warning.line, warning.column) == (1, 37)
    assert secret not in str(warning)


def test_positions_of_values() -> None:
    manifest = loads('{\n "bottles": {"b": {"env": {"A": "${X}"}}}\n}', "m")
    position = manifest.position("bottles", "b", "env", "A")
    assert (position.file, position.line, position.column) == ("m", 2, 33)
