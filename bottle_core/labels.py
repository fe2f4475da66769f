"""The reserved label namespace. Every object that we create carries all of these; nothing else is ours."""

NAMESPACE = "dev.bottle."
SESSION = NAMESPACE + "session"
START = NAMESPACE + "start"
"""Random and different for every start: what carries another one is not ours to remove, whatever its name."""
AGENT = NAMESPACE + "agent"
ROLE = NAMESPACE + "role"
OWNER = NAMESPACE + "owner"
CREATED = NAMESPACE + "created"
POLICY = NAMESPACE + "policy"
INPUTS = NAMESPACE + "inputs"
BUILD_STAGE = NAMESPACE + "stage"
"""On images of build stages: the build they belong to, which removes them at its end."""


def for_object(
    *, session: str, start: str, agent: str, role: str, owner: str, created: str, policy: str
) -> dict[str, str]:
    """Labels of one object; `owner` is `uid@boot` of the user, `created` is RFC 3339 in UTC."""
    return {SESSION: session, START: start, AGENT: agent, ROLE: role, OWNER: owner, CREATED: created, POLICY: policy}
