"""The ordered start: create, observe from inside, compare, and only then grant. Whatever fails, nothing is left.

The order is that of docs/contract.md, "Order of a start". Nothing here knows an engine or a proxy by name.
"""

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from typing import TypeVar

from bottle_core import cleanup, deliver, observe, scripts, session
from bottle_core.assemble import Assembled, Identity, assemble
from bottle_core.contract import Backend, Outcome, Session
from bottle_core.egress.base import EgressProxy, Ready
from bottle_core.errors import EngineError, NoSubnetError, SealError, SubnetTakenError
from bottle_core.interrupts import Interrupts
from bottle_core.plan import Plan
from bottle_core.records import Record
from bottle_core.sidecar import SidecarWatch
from bottle_core.spec import BottleSpec

T = TypeVar("T")

SIDECAR_TIMEOUT = 30.0
_SUBNET_TRIES = 16


class Step(StrEnum):
    """The steps of a start, in order; each is announced before it begins."""

    NETWORKS = "networks"
    SIDECAR = "sidecar"
    CREATE = "create"
    START = "start"
    OBSERVE = "observe"
    READY = "ready"
    COMPARE = "compare"
    DELIVER = "deliver"
    SESSION = "session"
    REMOVE = "remove"


def _nobody(_step: Step) -> None:
    """Announces a step to nobody."""


@dataclass(frozen=True)
class Launch:
    """One start. `subnets` yields (internal, egress) pairs to try; `values` reads the secrets at delivery.

    `notify` prints one line for the user, never while the agent owns the terminal. `on_step` is told of every
    step and may raise; then the start fails at that step. `review` may raise PolicyError.
    """

    plan: Plan
    backend: Backend
    proxy: EgressProxy
    identity: Identity
    record: Record
    subnets: Iterator[tuple[IPv4Network, IPv4Network]]
    values: Callable[[], Mapping[str, bytes]]
    notify: Callable[[str], None]
    interrupts: Interrupts
    extra_ca: str = ""
    terminal: session.Terminal = session.STANDARD
    on_step: Callable[[Step], None] = _nobody
    review: Callable[[BottleSpec], None] = field(default=lambda _spec: None)

    def run(self) -> int:
        """The agent's exit code; raises the errors of the step that failed, after everything has been removed."""
        taken = "the pool is empty"
        for _, pair in zip(range(_SUBNET_TRIES), self.subnets, strict=False):
            assembled = assemble(self.plan, self.identity, self.proxy, pair, scripts.entry(), self.extra_ca)
            self.review(assembled.spec)
            try:
                return _Attempt(self, assembled).run()
            except SubnetTakenError as error:
                taken = error.because
            finally:
                self.interrupts.unshield()
        raise NoSubnetError("find a free subnet", taken, "set BOTTLE_SUBNET_POOL to another private range")


class _Attempt:
    """One start on one pair of subnets."""

    def __init__(self, launch: Launch, assembled: Assembled) -> None:
        self._launch = launch
        self._backend = launch.backend
        self._spec = assembled.spec
        self._program = assembled.program
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="start")
        self._sessions: list[Session] = []
        self._watch: SidecarWatch | None = None
        self._granted = threading.Event()
        self._ending = threading.Event()
        self._sidecar_died = False

    def run(self) -> int:
        try:
            try:
                code = self._start()
            finally:
                # Two nested blocks: an interrupt that arrives just here still meets the outer one.
                self._launch.interrupts.shield()
        except BaseException:
            for item in self._remove():
                self._launch.notify(f"couldn't remove the {item.kind} {item.name}, because: {item.because}")
            raise
        if left := self._remove():
            names = ", ".join(f"{item.kind} {item.name} ({item.because})" for item in left)
            raise EngineError("remove the bottle", f"the engine kept: {names}")
        return code

    def _start(self) -> int:
        spec, backend = self._spec, self._backend
        image_names = self._pool.submit(backend.image_env, spec.agent.image)
        self._step(Step.NETWORKS)
        networks = [self._pool.submit(backend.create_network, network) for network in spec.networks]
        self._step(Step.CREATE)
        agent = self._pool.submit(self._create_agent)
        _all(networks)
        self._step(Step.SIDECAR)
        sidecar = self._pool.submit(self._start_sidecar)
        attached = agent.result()
        self._step(Step.START)
        backend.start_agent(spec.agent.name)
        self._step(Step.OBSERVE)
        seen = self._observe()
        self._step(Step.READY)
        ready = sidecar.result()
        self._step(Step.COMPARE)
        self._compare(seen, ready, image_names.result() or ())
        self._step(Step.DELIVER)
        session.fit(attached, self._launch.terminal)
        self._deliver(ready)
        self._step(Step.SESSION)
        session.join(attached, self._launch.terminal)
        return self._outcome(backend.wait(spec.agent.name))

    def _step(self, step: Step) -> None:
        self._launch.on_step(step)

    def _create_agent(self) -> Session:
        self._backend.create_agent(self._spec.agent)
        # Attached before the start, so that no output is lost.
        attached = self._backend.attach(self._spec.agent.name)
        self._sessions.append(attached)
        return attached

    def _start_sidecar(self) -> Ready:
        stream = self._backend.start_sidecar(self._spec.sidecar, self._program.config)
        self._watch = SidecarWatch(
            self._launch.proxy, self._spec.session, stream, self._launch.record.event, self._sidecar_ended
        )
        if self._ending.is_set():
            self._watch.abandon()
        return self._watch.wait_ready(
            self._backend, self._spec.sidecar.name, self._program.health, self._launch.plan.policy, SIDECAR_TIMEOUT
        )

    def _sidecar_ended(self) -> None:
        """The agent has no way out any more (NET-011); told at once where that can't disturb its screen."""
        if not self._ending.is_set():
            self._sidecar_died = True
            if self._granted.is_set() and not self._launch.plan.tty:
                self._launch.notify(_DIED)

    def _observe(self) -> observe.Observation:
        addresses = tuple(str(address) for address in observe.strangers(self._spec))
        argv = ("sh", "-c", scripts.observe(), "observe", *addresses)
        result = self._backend.exec(self._spec.agent.name, argv)
        try:
            seen = observe.parse(result.stdout)
        except ValueError as error:
            last = (result.stderr or result.stdout).decode("utf-8", "replace").strip()[-300:]
            raise SealError(
                "observe the bottle from inside",
                f"{error} (exit code {result.exit_code}): {last}",
                requirement="SECRET-004",
            ) from error
        self._launch.record.write("observation", seen)
        return seen

    def _compare(self, seen: observe.Observation, ready: Ready, image_names: tuple[str, ...]) -> None:
        policy_hash = self._launch.plan.policy.policy_hash
        findings = observe.compare(self._spec, seen, ready, image_names)
        if ready.policy_hash != policy_hash:
            findings.append(observe.Finding("NET-013", f"the sidecar enforces {ready.policy_hash}, not {policy_hash}"))
        if findings:
            raise SealError(
                "hand over the grants",
                "; ".join(f"{finding.requirement}: {finding.message}" for finding in findings),
                "nothing was granted, and everything was removed",
                requirement=findings[0].requirement,
            )

    def _deliver(self, ready: Ready) -> None:
        """The first moment at which a secret is read; it leaves our memory towards the tmpfs only (SECRET-001)."""
        program = deliver.program(
            self._launch.values(),
            self._launch.plan.files,
            # A proxy that only relays TLS shows the agent what the host sees, a company's authority for instance.
            ready.ca_certificate or self._launch.extra_ca,
            base64.b64decode(ready.trust_store),
        )
        if self._sidecar_died:
            raise SealError("hand over the grants", "the egress sidecar ended", requirement="NET-011")
        self._granted.set()
        result = self._backend.exec(self._spec.agent.name, deliver.ARGV, program)
        if result.exit_code != 0:
            # The shell's message may quote the program, which holds the values: it is not shown.
            raise EngineError("deliver the grants", f"the shell in the bottle ended with {result.exit_code}")

    def _outcome(self, outcome: Outcome) -> int:
        if outcome.oom_killed:
            self._launch.notify("the agent was killed: it reached its memory limit")
        return outcome.exit_code

    def _remove(self) -> list[cleanup.Leftover]:
        self._ending.set()
        if self._watch is not None:
            self._watch.abandon()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for attached in self._sessions:
            attached.close()
        try:
            self._step(Step.REMOVE)
        finally:
            left = cleanup.remove(self._backend, self._spec)
        if self._watch is not None:
            self._watch.finish(2.0)
        if self._sidecar_died and self._launch.plan.tty and self._granted.is_set():
            self._launch.notify(_DIED)
        return left


_DIED = "the egress sidecar ended while the agent ran: since then the agent had no way out (NET-011)"


def _all(futures: list[Future[T]]) -> list[T]:
    """Every result; all are waited for before the first failure is raised, so that nothing is made behind it."""
    failures = [future.exception() for future in futures]
    for failure in failures:
        if failure is not None:
            raise failure
    return [future.result() for future in futures]
