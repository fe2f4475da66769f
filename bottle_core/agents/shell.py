"""Any command of the user's, in a small image with Python, curl, git and ssh; without one, a login shell."""

from bottle_core.agents.base import AgentKind, AgentRequest
from bottle_core.spec import ImageSource

LOGIN_SHELL = ("bash", "-l")


class ShellAgent(AgentKind):
    """Runs the manifest's `command` as it stands; no shell interprets it."""

    name = "shell"
    summary = "any command, or a login shell"
    image = ImageSource(recipe="shell")

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        return request.command or LOGIN_SHELL
