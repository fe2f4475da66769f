"""Claude Code, with permission to do everything that the bottle lets it do."""

import json

from bottle_core.agents.base import HOME, AgentKind, AgentRequest, Credential, GrantFile
from bottle_core.policy.egress import HostRule
from bottle_core.spec import ImageSource

_HOSTS = (
    ("api.anthropic.com", "the model"),
    ("claude.ai", "sign-in and account"),
    ("platform.claude.com", "sign-in with a console account"),
    ("statsig.anthropic.com", "feature flags of the client"),
    ("sentry.io", "error reports of the client"),
    ("downloads.claude.ai", "plug-ins and updates of the client"),
    ("raw.githubusercontent.com", "release notes that the client shows"),
)

# What the client would ask at its first start (seen with 2.1.330 on a terminal): theme, sign-in, trust in the
# folder, and responsibility for skipped permissions. The bottle is the answer to the last two.
_STATE = {
    "hasCompletedOnboarding": True,
    "theme": "dark",
    "bypassPermissionsModeAccepted": True,
    "projects": {HOME: {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
}
_SETTINGS = {"skipDangerousModePermissionPrompt": True}


class ClaudeAgent(AgentKind):
    """The manifest's `prompt` is appended to the system prompt; `command` holds further arguments of the client."""

    name = "claude"
    summary = "Claude Code"
    image = ImageSource(recipe="claude")
    takes_prompt = True

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        prompt = ("--append-system-prompt", request.prompt) if request.prompt else ()
        return ("claude", "--dangerously-skip-permissions", *prompt, *request.command)

    def hosts(self) -> tuple[HostRule, ...]:
        return tuple(HostRule(pattern=host, ports=(443,), origin="default", reason=why) for host, why in _HOSTS)

    def env(self) -> dict[str, str]:
        # The program is part of the image: what it would download is not what was shown.
        return {"DISABLE_AUTOUPDATER": "1", "DISABLE_INSTALLATION_CHECKS": "1"}

    def credentials(self) -> tuple[Credential, ...]:
        return (
            Credential(
                host_name="CLAUDE_BOTTLE_OAUTH_TOKEN",
                name="CLAUDE_CODE_OAUTH_TOKEN",
                hint="make one with `claude setup-token` and export it, or sign in inside the bottle at every start",
            ),
        )

    def files(self, request: AgentRequest) -> tuple[GrantFile, ...]:  # noqa: ARG002
        return (
            GrantFile(path=f"{HOME}/.claude.json", content=json.dumps(_STATE)),
            GrantFile(path=f"{HOME}/.claude/settings.json", content=json.dumps(_SETTINGS)),
        )
