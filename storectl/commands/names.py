"""Names given and taken: ``tag``, ``untag``, ``rm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.completing import image_names

if TYPE_CHECKING:
    from store.model import RemovedName
    from storectl.settings import Settings


@click.command("tag", epilog="Example: storectl tag debian:12 registry.example.com/base:stable")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument("source", shell_complete=image_names)
@click.argument("target")
@click.pass_obj
def tag_command(settings: Settings, *, as_json: bool, source: str, target: str) -> None:
    """Let TARGET name the image that SOURCE names."""
    from storectl import render  # noqa: PLC0415

    with settings.open() as store:
        change = store.tag(source, target)
    if as_json:
        replaced = None if change.replaced is None else str(change.replaced)
        render.document({"name": change.reference.familiar, "image": str(change.image_id), "replaced": replaced})


@click.command("untag", epilog="Example: storectl untag debian:12")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def untag_command(settings: Settings, *, as_json: bool, names: tuple[str, ...]) -> None:
    """Take tags away; the images stay, without a name."""
    with settings.open() as store:
        removed = [one for name in names for one in store.untag(name)]
    _print(removed, as_json=as_json)


@click.command("rm", epilog="Example: storectl rm debian:12")
@click.option("-f", "--force", is_flag=True, help="Remove an image by ID although several repositories name it.")
@click.option("--no-prune", is_flag=True, help="Keep parents without a name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def rm_command(settings: Settings, *, force: bool, no_prune: bool, as_json: bool, names: tuple[str, ...]) -> None:
    """Remove names, and images with their last one; `storectl gc` frees the bytes."""
    with settings.open() as store:
        removed = [one for name in names for one in store.remove(name, force=force, prune_parents=not no_prune)]
    _print(removed, as_json=as_json)


def _print(removed: list[RemovedName], *, as_json: bool) -> None:
    from storectl import render  # noqa: PLC0415

    if as_json:
        render.document([{one.kind: one.name} for one in removed])
        return
    for one in removed:
        render.line(f"{one.kind.capitalize()}: {one.name}")
