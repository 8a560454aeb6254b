"""``prune``: images without a name go, and their bytes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from storectl.settings import Settings


@click.command("prune", cls=Verb, examples=("storectl prune -f",))
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def command(settings: Settings, *, force: bool, as_json: bool) -> None:
    """Remove all images without a name that no named image was built on, and free their bytes: `storectl gc --dangling`."""
    from store.maintenance.reports import CollectionReport  # noqa: PLC0415 - `--help` does without
    from storectl.commands._collection import show  # noqa: PLC0415

    with settings.open() as store:
        if force or _agreed():
            show(store.collect(dangling=True), as_json=as_json)
        else:
            show(CollectionReport((), 0, 0, (), 0, 0, 0, dry_run=False), as_json=as_json)


def _agreed() -> bool:
    """Ask, on standard error. No answer at all means no."""
    click.echo(
        "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ",
        err=True,
        nl=False,
    )
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if not answer.endswith("\n"):
        click.echo(err=True)
    return answer.strip().lower() in ("y", "yes")
