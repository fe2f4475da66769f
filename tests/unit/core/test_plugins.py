"""Plug-ins are loaded apart from each other, and what is wrong with one is said by its name."""

import sys
import types
from importlib.metadata import EntryPoint

import pytest

from bottle_core.agents.shell import ShellAgent
from bottle_core.errors import PluginError, PolicyError, UsageError
from bottle_core.hookspecs import BackendRegistration, hookimpl
from bottle_core.plugins import GROUP, Plugins
from bottle_core.testing import FakeBackend
from tests.unit.core.support import assembled


def plugin(monkeypatch: pytest.MonkeyPatch, name: str, **hooks: object) -> EntryPoint:
    module = types.ModuleType(name)
    for key, value in hooks.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    return EntryPoint(name, name, GROUP)


def backends(*registrations: BackendRegistration) -> object:
    @hookimpl
    def bottle_register_backends() -> object:
        return registrations

    return bottle_register_backends


def registration(name: str, contract: tuple[int, int] = (1, 0)) -> BackendRegistration:
    return BackendRegistration(name, "for tests", contract, "bottle_core.testing:FakeBackend")


def test_what_is_installed_is_found_by_name() -> None:
    plugins = Plugins()
    assert "docker" in plugins.backends
    assert set(plugins.egress) >= {"mitmproxy", "pipelock"}
    assert set(plugins.agents) >= {"claude", "shell", "demo"}
    assert plugins.broken == []


def test_a_backend_is_made_only_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = backends(registration("memory"))
    plugins = Plugins([plugin(monkeypatch, "third_party", bottle_register_backends=hook)])
    assert isinstance(plugins.backend("memory"), FakeBackend)


def test_an_unknown_name_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        Plugins().backend("dokcer")
    assert "docker" in caught.value.because
    assert "docker" in caught.value.hint


def test_a_broken_plugin_is_fatal_only_when_it_is_wanted() -> None:
    plugins = Plugins([EntryPoint("broken", "no_such_module", GROUP)])
    assert [broken.name for broken in plugins.broken] == ["broken"]
    assert "shell" in plugins.agents
    with pytest.raises(PluginError, match="broken"):
        plugins.backend("broken")


@pytest.mark.parametrize("contract", [(2, 0), (0, 9), (1, 1)])
def test_another_contract_is_refused_before_the_import(
    contract: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = backends(BackendRegistration("future", "", contract, "no_such_module:Backend"))
    with pytest.raises(PluginError, match="contract"):
        Plugins([plugin(monkeypatch, "third_party", bottle_register_backends=hook)]).backend("future")


def test_the_same_name_twice_names_both_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        plugin(monkeypatch, name, bottle_register_backends=backends(registration("twin"))) for name in ("one", "other")
    ]
    with pytest.raises(PluginError, match=r"'one' and 'other'"):
        _ = Plugins(entries).backends


def test_a_hook_that_fails_is_a_row_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    @hookimpl
    def bottle_register_agents() -> object:
        raise RuntimeError("not today")

    plugins = Plugins([plugin(monkeypatch, "moody", bottle_register_agents=bottle_register_agents)])
    assert isinstance(plugins.agent("shell"), ShellAgent)
    assert "not today" in plugins.broken[0].error


def test_a_hook_of_an_unknown_name_makes_a_plugin_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    @hookimpl
    def bottle_no_such_hook() -> None: ...

    plugins = Plugins([plugin(monkeypatch, "typo", bottle_no_such_hook=bottle_no_such_hook)])
    assert [broken.name for broken in plugins.broken] == ["typo"]


def test_events_are_told_and_failures_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    @hookimpl
    def bottle_event(session: str, name: str, detail: dict[str, str]) -> None:
        seen.append((session, name))
        if name == "bad":
            raise ValueError("no")

    plugins = Plugins([plugin(monkeypatch, "listener", bottle_event=bottle_event)])
    assert plugins.event("s", "good", {}) == []
    assert plugins.event("s", "bad", {}) == ["plug-in 'listener' failed on 'bad': ValueError: no"]
    assert seen == [("s", "good"), ("s", "bad")]


def test_a_review_may_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    @hookimpl
    def bottle_review_spec(spec: object) -> None:
        raise PolicyError("start", "not on a Friday")

    plugins = Plugins([plugin(monkeypatch, "strict", bottle_review_spec=bottle_review_spec)])
    with pytest.raises(PolicyError, match="Friday"):
        plugins.review(assembled().spec)
