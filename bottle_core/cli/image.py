"""`bottle image`: build and list the images that bottles run in."""

import json
from typing import Any

import click

from bottle_core.cli import console, ctrl_c, engine
from bottle_core.contract import Backend
from bottle_core.images import recipe
from bottle_core.images.build import build as build_recipe
from bottle_core.plugins import Plugins

LISTING_SCHEMA = 1


@click.group()
def image() -> None:
    """Build and list the images that bottles run in."""


@image.command()
@click.argument("names", nargs=-1, metavar="[claude|shell|demo|egress]...")
@engine.option
@click.pass_context
def build(ctx: click.Context, names: tuple[str, ...], backend: str | None) -> None:
    """Build the named images, or all; what is there already is not built again.

    No registry is needed: the base is pulled if it can be, else bootstrapped from Debian packages.
    """
    for name in names:
        recipe.folder(name)
    connection = Plugins().backend(engine.name(ctx, backend))
    ctrl_c.raises()
    try:
        with console.progress() as progress:
            for name in names or recipe.RECIPES:
                if connection.image_size(recipe.tag(name)) is None:
                    build_recipe(connection, name, progress)
                click.echo(recipe.tag(name))
    finally:
        connection.close()


@image.command(name="ls")
@engine.option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the list.")
@click.pass_context
def list_images(ctx: click.Context, backend: str | None, form: str) -> None:
    """List the images, and whether the engine has them in this version."""
    connection = Plugins().backend(engine.name(ctx, backend))
    try:
        rows = [_row(connection, name) for name in (recipe.BASE, *recipe.RECIPES)]
    finally:
        connection.close()
    if form == "json":
        click.echo(json.dumps({"schema_version": LISTING_SCHEMA, "images": rows}, indent=2))
        return
    for row in rows:
        size = "not built" if row["bytes"] is None else f"{row['bytes'] / 1e6:.0f} MB"
        click.echo(f"{row['name']:<8} {row['reference']:<30} {size}")


def _row(connection: Backend, name: str) -> dict[str, Any]:
    reference = recipe.tag(name)
    return {"name": name, "reference": reference, "bytes": connection.image_size(reference)}
