"""Which backend a command uses."""

import os

import click

DEFAULT = "docker"
VARIABLE = "BOTTLE_BACKEND"

option = click.option("--backend", metavar="NAME", help=f"Container engine to use.  [default: {DEFAULT}]")


def name(ctx: click.Context, after_verb: str | None) -> str:
    """The name after the verb, the group's, the environment's, or the default one."""
    return after_verb or ctx.obj["backend"] or os.environ.get(VARIABLE) or DEFAULT
