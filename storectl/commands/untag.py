"""``untag``: removal of tags without their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.system.completion import image_names
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from store.names.tagging import RemovedName
    from storectl.output.exit_codes import ExitCode
    from storectl.settings import Settings


@click.command("untag", cls=Verb, examples=("storectl untag debian:12",))
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def command(settings: Settings, *, as_json: bool, names: tuple[str, ...]) -> ExitCode:
    """Remove tags and keep the images, untagged, until `storectl prune`."""
    from storectl.commands._removal import remove_each  # noqa: PLC0415 - `--help` does without
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415

    with settings.open(frees=True) as store:

        def untag(name: str) -> tuple[RemovedName, ...]:
            with suggesting(store, name):
                return store.untag(name)

        return remove_each(names, untag, as_json=as_json)
