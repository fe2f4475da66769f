"""`bottle start AGENT`: show what will be granted, ask, run the agent in a sealed bottle, leave nothing."""

import getpass
import os
import random
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path

import click

from bottle_core import identity, ipam, preflight, records
from bottle_core.cli import console, ctrl_c, manifests
from bottle_core.cli import engine as engines
from bottle_core.contract import Backend
from bottle_core.errors import BottleError, EngineUnavailableError, UsageError
from bottle_core.images import ensure, planned_reference
from bottle_core.images.host import extra_ca
from bottle_core.interrupts import Interrupts
from bottle_core.launch import Launch
from bottle_core.manifest.load import Manifest
from bottle_core.plan import Plan, Question
from bottle_core.plugins import Plugins
from bottle_core.proxies import choose
from bottle_core.resolve import Chosen, Host, resolve, secrets_of
from bottle_core.session import STANDARD

_YES = frozenset({"y", "yes"})


@click.command()
@click.argument("agent")
@engines.option
@click.option("--manifest", "manifest_path", metavar="FILE", type=click.Path(path_type=Path), help="Manifest to use.")
@click.option("--yes", is_flag=True, help="Don't ask, start.")
@click.option("--dry-run", is_flag=True, help="Print the plan on stdout and stop.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the plan.")
@click.pass_context
def start(
    ctx: click.Context,
    agent: str,
    backend: str | None,
    manifest_path: Path | None,
    yes: bool,
    dry_run: bool,
    form: str,
) -> int:
    """Start AGENT of the manifest in a sealed bottle.

    Everything that will be granted is shown first; nothing exists before the answer is yes, and nothing is
    left when the agent ends.
    """
    terminal = STANDARD
    if not (yes or dry_run or os.isatty(terminal.stdin)):
        raise UsageError("ask whether to start", "stdin is not a terminal", "bottle start --yes " + agent)
    name = engines.name(ctx, backend)
    plugins = Plugins()
    found = manifests.locate(manifest_path, agent)
    engine = plugins.backend(name)
    try:
        plan = _plan(found.manifest, agent, plugins, engine, name, terminal.interactive)
        ctrl_c.raises()
        _show(plan, form, to_stdout=dry_run)
        if dry_run:
            return 0
        manifests.require_trust(found, plan, asked=not yes)
        if not yes and not _agreed():
            click.echo("aborted", err=True)
            return 0
        return _run(plan, plugins, engine)
    finally:
        engine.close()


def _plan(manifest: Manifest, agent: str, plugins: Plugins, backend: Backend, name: str, interactive: bool) -> Plan:
    model = manifest.agents[agent]
    kind = plugins.agent(model.agent)
    info = backend.probe()
    for problem in info.problems:
        if problem.fatal:
            raise EngineUnavailableError("use the engine", problem.message, problem.fix)
    proxy, why = choose(manifest.bottles[model.bottle].egress.proxy, plugins, backend)
    chosen = Chosen(kind, proxy, why, planned_reference(kind.image), planned_reference(proxy.image))
    return resolve(manifest, agent, chosen, name, info, Host(frozenset(os.environ), interactive))


def _show(plan: Plan, form: str, *, to_stdout: bool) -> None:
    text = plan.model_dump_json(indent=2) if form == "json" else preflight.render(plan)
    click.echo(text, err=not to_stdout)


def _agreed() -> bool:
    click.echo("Start? [y/N] ", nl=False, err=True)
    try:
        return input().strip().lower() in _YES
    except EOFError:
        return False


def _run(plan: Plan, plugins: Plugins, backend: Backend) -> int:
    with Interrupts().installed() as interrupts:
        answers = _ask(plan)
        with console.progress() as progress:
            for source in (plan.image_source, plan.proxy_image_source):
                ensure(backend, source, progress)
        who = identity.new(plan.agent)
        record = records.Record(records.state_home(os.environ), who.session)
        record.write("plan", plan)
        plugins.event(who.session, "start", {"agent": plan.agent})
        outcome: dict[str, object] = {"exit_code": None, "error": "interrupted"}
        try:
            code = Launch(
                plan=plan,
                backend=backend,
                proxy=plugins.proxy(plan.proxy.name),
                identity=who,
                record=record,
                subnets=_subnets(backend, who.session),
                values=lambda: secrets_of(plan, os.environb, answers),
                notify=console.say,
                interrupts=interrupts,
                extra_ca=extra_ca(),
                on_step=lambda step: _tell(plugins, who.session, step),
                review=plugins.review,
            ).run()
            outcome = {"exit_code": code, "error": None}
        except BottleError as error:
            outcome = {"exit_code": int(error.exit_code), "error": str(error)}
            raise
        finally:
            record.write("outcome", outcome)
            plugins.event(who.session, "end", {})
            if record.failure:
                console.say(f"the session's record is incomplete: {record.failure}")
    return code


def _tell(plugins: Plugins, session: str, step: str) -> None:
    for failure in plugins.event(session, step, {}):
        console.say(failure)


def _ask(plan: Plan) -> Mapping[str, bytes]:
    """The answers to the manifest's questions, typed without echo; raises UsageError without a terminal."""
    answers = {}
    for grant in plan.env:
        if isinstance(grant.source, Question):
            if not os.isatty(STANDARD.stdin):
                raise UsageError(
                    f"ask for {grant.name}", "stdin is not a terminal", "start on a terminal, or use a host variable"
                )
            answers[grant.name] = getpass.getpass(f"{preflight.printable(grant.source.question)}: ").encode()
    return answers


def _subnets(backend: Backend, seed: str) -> Iterator[tuple[IPv4Network, IPv4Network]]:
    """Pairs of free subnets out of the pool; asked for lazily, at the first step that needs one."""
    try:
        pool = ipam.Pool.parse(os.environ.get("BOTTLE_SUBNET_POOL") or ipam.DEFAULT_POOL)
    except ValueError as error:
        raise UsageError("use BOTTLE_SUBNET_POOL", str(error), "name a private range such as 10.231.0.0/16") from error
    local = ipam.host_routes()
    free = ipam.candidates(pool, backend.subnets_in_use(), local, random.Random(seed).randrange(2**32))  # noqa: S311
    yield from zip(free, free, strict=False)
