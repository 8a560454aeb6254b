"""``prune``: removal of untagged images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.commands._undo_option import undo_option
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from datetime import timedelta

    from storectl.settings import Settings


@click.command("prune", cls=Verb, examples=("storectl prune -f",))
@click.option("-f", "--force", is_flag=True, help="Do not prompt for confirmation.")
@undo_option
@json_option
@click.pass_obj
def command(settings: Settings, *, force: bool, undo_for: timedelta | None, as_json: bool) -> None:
    """Remove untagged images and free their disk space, like `storectl gc --dangling`.

    Untagged images that a tagged image was built on stay. The command asks for confirmation on the
    terminal; without a terminal, give --force.
    """
    from store.maintenance.reports import CollectionReport  # noqa: PLC0415 - `--help` does without
    from storectl.commands._collection import show  # noqa: PLC0415
    from storectl.system.confirmation import confirm  # noqa: PLC0415

    with settings.open(frees=True) as store:
        if undo_for is not None:
            store.undo_for = undo_for
        if force or confirm("This will remove all dangling images.", flag="--force"):
            show(store.collect(dangling=True), as_json=as_json)
        else:
            show(CollectionReport((), 0, 0, (), 0, 0, 0, dry_run=False), as_json=as_json)
