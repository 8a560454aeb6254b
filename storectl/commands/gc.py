"""``gc``: garbage collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from storectl.settings import Settings


@click.command("gc", cls=Verb, examples=("storectl gc", "storectl gc --dry-run --dangling"))
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--dangling", is_flag=True, help="Also remove untagged images.")
@json_option
@click.pass_obj
def command(settings: Settings, *, dry_run: bool, dangling: bool, as_json: bool) -> None:
    """Remove content that nothing refers to, and free its disk space.

    You can run this while imports, saves or a server are running. Untagged images stay unless
    --dangling is given.
    """
    from storectl.commands._collection import show  # noqa: PLC0415 - `--help` does without

    with settings.open() as store:
        show(store.collect(dry_run=dry_run, dangling=dangling), as_json=as_json)
