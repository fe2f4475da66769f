"""Command lines, hosts and files of the agent kinds."""

import json

import pytest

from bottle_core.agents.base import AgentRequest
from bottle_core.agents.claude import ClaudeAgent
from bottle_core.agents.demo import DemoAgent
from bottle_core.agents.shell import ShellAgent
from bottle_core.errors import UsageError


def test_claude_has_full_powers_and_the_prompt_is_appended() -> None:
    kind = ClaudeAgent()
    assert kind.argv(AgentRequest()) == ("claude", "--dangerously-skip-permissions")
    asked = AgentRequest(prompt="Be brief.", command=("-p", "hi"))
    assert kind.argv(asked)[2:] == ("--append-system-prompt", "Be brief.", "-p", "hi")


def test_claudes_first_questions_are_answered() -> None:
    files = {file.path: json.loads(file.content) for file in ClaudeAgent().files(AgentRequest())}
    assert files["/home/agent/.claude.json"]["hasCompletedOnboarding"] is True
    assert files["/home/agent/.claude/settings.json"]["skipDangerousModePermissionPrompt"] is True


def test_claudes_hosts_are_for_tls_only_and_have_a_reason() -> None:
    rules = ClaudeAgent().hosts()
    assert rules[0].pattern == "api.anthropic.com"
    assert all(rule.ports == (443,) and rule.reason and rule.origin == "default" for rule in rules)


def test_a_shell_runs_the_command_as_it_stands() -> None:
    assert ShellAgent().argv(AgentRequest(command=("echo", "$HOME"))) == ("echo", "$HOME")
    assert ShellAgent().argv(AgentRequest()) == ("bash", "-l")


def test_the_demo_works_with_the_upstream_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTTLE_DEMO_UPSTREAM", "https://192.0.2.9/x")
    kind = DemoAgent()
    [rule] = kind.hosts()
    assert rule.pattern == "192.0.2.9"
    assert [str(network) for network in kind.private_grants()] == ["192.0.2.9/32"]
    argv = kind.argv(AgentRequest(command=("--format", "json")))
    assert argv[-2:] == ("--format", "json")
    assert "https://192.0.2.9/x" in argv


@pytest.mark.parametrize(
    "url", ["garbage", "ftp://example.com/", "https://", "https://*.example.com/", "http://[::1]/"]
)
def test_a_bad_upstream_is_a_usage_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTTLE_DEMO_UPSTREAM", url)
    with pytest.raises(UsageError):
        DemoAgent().hosts()
