"""(plan, session, subnets) → BottleSpec. Pure, and golden-tested: the spec is the same for every engine."""

from ipaddress import IPv4Network
from typing import NamedTuple

from bottle_core import labels
from bottle_core.agents.base import GID, HOME, UID
from bottle_core.capabilities import EgressCapability
from bottle_core.egress.base import EgressProxy, ProxyProgram, ProxyRequest
from bottle_core.environment import base_environment
from bottle_core.ipam import agent_address, sidecar_address
from bottle_core.plan import Plan
from bottle_core.spec import AgentSpec, Attachment, BottleSpec, Limits, NetworkSpec, SidecarSpec

HOSTNAME = "bottle"
SIDECAR_HOSTNAME = "egress"
SIDECAR_UID = SIDECAR_GID = 65532
SIDECAR_PIDS = 256
PREFIX = "bottle-"

_TERMINAL = {True: {"TERM": "xterm-256color"}, False: {"TERM": "dumb"}}


class Identity(NamedTuple):
    """Who starts what: `<agent>-<5 characters>`, a random token, `uid@boot`, and RFC 3339 in UTC."""

    session: str
    start: str
    owner: str
    created: str


class Assembled(NamedTuple):
    """The spec of a bottle and its sidecar's program, whose configuration is sent on stdin."""

    spec: BottleSpec
    program: ProxyProgram


def assemble(
    plan: Plan,
    identity: Identity,
    proxy: EgressProxy,
    subnets: tuple[IPv4Network, IPv4Network],
    entry_script: str,
    extra_ca: str,
) -> Assembled:
    """The bottle on these two subnets, internal first."""
    session = identity.session
    internal = NetworkSpec(
        name=f"{PREFIX}{session}-internal",
        role="internal",
        subnet=subnets[0],
        labels=_labels(plan, identity, "internal-network"),
    )
    egress = NetworkSpec(
        name=f"{PREFIX}{session}-egress",
        role="egress",
        subnet=subnets[1],
        labels=_labels(plan, identity, "egress-network"),
    )
    listen = sidecar_address(internal.subnet)
    program = proxy.program(
        ProxyRequest(
            session=session,
            policy=plan.policy,
            listen=listen,
            internal_subnet=internal.subnet,
            egress_subnet=egress.subnet,
            extra_ca=extra_ca,
        )
    )
    sidecar = SidecarSpec(
        name=f"{PREFIX}{session}-sidecar",
        image=plan.proxy_image,
        argv=program.argv,
        env=program.env,
        uid=SIDECAR_UID,
        gid=SIDECAR_GID,
        hostname=SIDECAR_HOSTNAME,
        workdir="/",
        # The egress network stands first: its gateway is the sidecar's way out.
        attachments=(
            Attachment(network=egress.name, address=sidecar_address(egress.subnet)),
            Attachment(network=internal.name, address=listen),
        ),
        resolvers=plan.policy.resolvers or None,
        tmpfs=program.tmpfs,
        limits=Limits(pids=SIDECAR_PIDS if plan.limits.pids is not None else None),
        labels=_labels(plan, identity, "sidecar"),
    )
    inspects = EgressCapability.TLS_INSPECTION in proxy.capabilities
    agent = AgentSpec(
        name=f"{PREFIX}{session}-agent",
        image=plan.image,
        argv=("sh", "-c", entry_script, "entry", *plan.argv),
        env={**base_environment(listen, program.port, inspects=inspects), **_TERMINAL[plan.tty], **plan.kind_env},
        uid=UID,
        gid=GID,
        hostname=HOSTNAME,
        workdir=HOME,
        attachments=(Attachment(network=internal.name, address=agent_address(internal.subnet)),),
        resolvers=(),
        tmpfs=plan.tmpfs,
        limits=plan.limits,
        labels=_labels(plan, identity, "agent"),
        tty=plan.tty,
    )
    return Assembled(BottleSpec(session=session, networks=(internal, egress), sidecar=sidecar, agent=agent), program)


def _labels(plan: Plan, identity: Identity, role: str) -> dict[str, str]:
    return labels.for_object(
        session=identity.session,
        start=identity.start,
        agent=plan.agent,
        role=role,
        owner=identity.owner,
        created=identity.created,
        policy=plan.policy.policy_hash,
    )
