"""``rm`` (``rmi``): names go, and images with their last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.system.completion import image_names
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from storectl.output.exit_codes import ExitCode
    from storectl.settings import Settings


@click.command("rm", cls=Verb, examples=("storectl rm debian:12", "storectl rm -f 6b8a1c2d3e4f"))
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help=(
        "Remove an image by ID although several repositories name it; unknown names are no failure."
    ),
)
@click.option("--no-prune", is_flag=True, help="Keep parents without a name.")
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def command(
    settings: Settings, *, force: bool, no_prune: bool, as_json: bool, names: tuple[str, ...]
) -> ExitCode:
    """Remove names, and images with their last one, by docker's rules.

    `storectl gc` frees the bytes.
    """
    from storectl.commands._removal import take_away  # noqa: PLC0415 - `--help` does without

    with settings.open() as store:
        return take_away(
            names,
            lambda name: store.remove(name, force=force, prune_parents=not no_prune),
            as_json=as_json,
            may_be_missing=force,
        )
