"""Resolution, preflight and records: what is shown is what is granted, and secrets are names."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottle_core import preflight
from bottle_core.capabilities import Capability
from bottle_core.egress.base import EgressEvent
from bottle_core.errors import ManifestError, PolicyError, UsageError
from bottle_core.plan import EnvGrant, HostVariable
from bottle_core.records import Record, state_home
from bottle_core.resolve import secrets_of
from bottle_core.spec import Limits
from tests.unit.core.support import ENGINE, MANIFEST, plan


def test_the_plan_shows_everything_that_is_granted() -> None:
    text = preflight.render(plan())
    for wanted in (
        *("worker", "shell", "bottle b", "Memory Engine 1.0", "bottle/shell:test", "LEVEL  debug"),
        *("TOKEN  secret, from the host's HOST_TOKEN", "example.org", "*.example.net:8443", "10.9.0.0/16"),
        *("mitmproxy: the default", "2048 processes", "workspace", plan().policy.policy_hash),
    ):
        assert wanted in text


@given(st.text(max_size=60))
def test_a_manifest_cannot_steer_the_terminal(value: str) -> None:
    grant = EnvGrant(name="A", source={"kind": "literal", "value": value})  # type: ignore[arg-type]
    text = preflight.render(plan().model_copy(update={"env": (grant,), "prompt": value}))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text.splitlines()) == len(preflight.render(plan().model_copy(update={"env": (grant,)})).splitlines())


def test_a_missing_host_variable_is_named_with_its_place() -> None:
    with pytest.raises(ManifestError) as caught:
        plan(variables=set())
    [problem] = caught.value.problems
    assert (problem.file, problem.line) == ("bottle.jsonc", 3)
    assert "HOST_TOKEN" in problem.message


def test_values_are_read_from_their_sources_only() -> None:
    values = secrets_of(plan(), {b"HOST_TOKEN": b"v\xff", b"OTHER": b"x"}, {})
    assert values == {"LEVEL": b"debug", "TOKEN": b"v\xff"}


def test_limits_that_the_engine_cannot_enforce_are_shown_and_not_asked() -> None:
    weak = ENGINE.model_copy(update={"capabilities": frozenset({Capability.READ_ONLY_ROOT})})
    made = plan(engine=weak)
    assert made.limits == Limits()
    assert made.unenforced == ("pids",)
    assert "pids can't be enforced by this engine" in preflight.render(made)


def test_an_engine_without_a_read_only_root_is_refused() -> None:
    with pytest.raises(PolicyError, match="read-only-root"):
        plan(engine=ENGINE.model_copy(update={"capabilities": frozenset()}))


def test_a_plan_never_holds_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_TOKEN", "hunter2-value")
    made = plan()
    assert "hunter2-value" not in made.model_dump_json()
    assert made.env[1].source == HostVariable(variable="HOST_TOKEN")
    assert made.env[1].secret


def test_the_same_host_twice_is_one_rule_with_both_ports() -> None:
    text = MANIFEST.replace('"example.org",', '"example.org", "example.org:8443",')
    rules = {rule.pattern: rule.ports for rule in plan(text).policy.hosts}
    assert rules["example.org"] == (80, 443, 8443)


# Records


def test_a_record_is_the_users_alone(tmp_path: Path) -> None:
    record = Record(tmp_path, "s-abcde")
    record.write("plan", plan())
    record.event(EgressEvent(time="t", seq=1, decision="allowed"))
    record.event(EgressEvent(time="t", seq=2, decision="blocked"))
    assert stat.S_IMODE(record.folder.stat().st_mode) == 0o700
    for path in record.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len((record.folder / "egress.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert json.loads((record.folder / "plan.json").read_text(encoding="utf-8"))["agent"] == "worker"
    record.discard()
    assert not record.folder.exists()


def test_a_record_that_cannot_be_made_stops_the_start_and_a_later_failure_does_not(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(UsageError):
        Record(blocked, "s")
    record = Record(tmp_path, "s")
    record.discard()
    record.event(EgressEvent(time="t", seq=1, decision="allowed"))
    assert "egress.jsonl" in record.failure


def test_where_records_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_home({"XDG_STATE_HOME": "/s"}) == Path("/s/bottle")
    monkeypatch.setenv("HOME", "/h")
    assert state_home({"XDG_STATE_HOME": "relative"}) == Path("/h/.local/state/bottle")
