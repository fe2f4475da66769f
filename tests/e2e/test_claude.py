"""The real Claude Code, in a real bottle, through the real sidecar, against a stand-in for its API."""

import json
import re
import secrets
from typing import Any

import pytest

from bottle_core.images.recipe import folder
from tests.support.anthropic_stub import ANSWER
from tests.support.cli import User
from tests.support.world import World

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def token() -> str:
    return "sk-ant-oat01-" + secrets.token_urlsafe(72)[:95]


def claude(user: User, world: World, *command: str, prompt: str = "", **egress: Any) -> None:
    agent: dict[str, Any] = {"bottle": "b", "agent": "claude", "command": list(command)}
    if prompt:
        agent["prompt"] = prompt
    # The client asks again and again where it is refused; once is enough here.
    env = {"CLAUDE_CODE_MAX_RETRIES": "0"}
    user.write({"b": {"env": env, "egress": world.egress(**egress)}}, {"coder": agent})


def test_claude_answers_through_the_sidecar(user: User, world: World, token: str) -> None:
    user.variables["CLAUDE_BOTTLE_OAUTH_TOKEN"] = token
    claude(user, world, "-p", "say hi", prompt="You are in a bottle.")
    done = user.start("coder", timeout=180)
    assert (done.code, done.out.strip()) == (0, ANSWER), done.err
    call = world.wait(lambda r: r.get("headers", {}).get("authorization") == f"Bearer {token}")
    assert call is not None
    asked = [r for r in world.requests if r["request"].startswith("/v1/messages")]
    assert {(r["host"], r["scheme"], r["port"]) for r in asked} == {("api.anthropic.com", "https", 443)}
    assert any(r["headers"].get("authorization") == f"Bearer {token}" for r in asked)
    events = user.events()
    answered = [e for e in events if e["host"] == "api.anthropic.com" and e["path"].startswith("/v1/messages")]
    assert answered
    assert {e["decision"] for e in answered} == {"allowed"}
    assert token not in json.dumps(events)
    assert token not in done.err


def test_claude_is_refused_where_its_api_is_not_granted(user: User, world: World, token: str) -> None:
    user.variables["CLAUDE_BOTTLE_OAUTH_TOKEN"] = token
    claude(user, world, "-p", "say hi", defaults=False)
    before = len(world.requests)
    done = user.start("coder", timeout=240)
    assert done.code != 0
    assert ANSWER not in done.out
    assert len(world.requests) == before
    blocked = [e for e in user.events() if e["host"] == "api.anthropic.com"]
    assert blocked
    assert {(e["decision"], e["rule"]) for e in blocked} == {("blocked", "NET-006")}


def test_the_client_is_the_real_one_in_the_version_of_the_recipe(user: User, world: World) -> None:
    claude(user, world, "--version")
    done = user.start("coder")
    wanted = re.search(r"CLAUDE_CODE_VERSION=(\S+)", (folder("claude") / "Containerfile").read_text(encoding="ascii"))
    assert wanted
    assert (done.code, done.out) == (0, f"{wanted[1]} (Claude Code)\n"), done.err


def test_without_a_token_the_preflight_says_so(user: User, world: World) -> None:
    claude(user, world, "--version")
    done = user.run("start", "--dry-run", "--manifest", str(user.manifest), "coder")
    assert done.code == 0
    assert "CLAUDE_BOTTLE_OAUTH_TOKEN is not set" in done.out
