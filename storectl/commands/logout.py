"""``logout``: remove credentials from the files and helpers of docker and podman."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from storectl.commands.login import checked_registry
from storectl.system.parameters import FilePath
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from storectl.settings import Settings


@click.command(
    "logout",
    cls=Verb,
    examples=("storectl logout registry.example:5000", "storectl logout --all"),
)
@click.option("-a", "--all", "is_all", is_flag=True, help="Log out of all registries.")
@click.option(
    "--authfile",
    type=FilePath(path_type=Path),
    metavar="FILE",
    help="Change only this file with credentials.",
)
@click.argument("registry", metavar="[REGISTRY]", required=False, callback=checked_registry)
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    is_all: bool,
    authfile: Path | None,
    registry: str | None,
    as_json: bool,
) -> None:
    """Log out of a registry.

    The credentials are removed from every file and credential helper in which storectl finds
    them, those of docker and podman. Each file is named.
    """
    from remote.credentials.changes import forget  # noqa: PLC0415 - `--help` does without
    from remote.credentials.helpers import Helpers  # noqa: PLC0415
    from remote.credentials.keys import Key  # noqa: PLC0415
    from remote.credentials.places import AUTH_VARIABLE, auth_files  # noqa: PLC0415
    from storectl.output import messages, render  # noqa: PLC0415

    if is_all == (registry is not None):
        raise click.UsageError(
            "--all and REGISTRY exclude each other" if is_all else "name a registry, or give --all"
        )
    key = None if registry is None else Key.parse(registry)
    files = auth_files(settings.environment, os.getuid(), authfile)
    forgotten = forget(key, files, Helpers(settings.environment), limit_s=settings.lock_timeout_s)
    if as_json:
        render.document(
            [{"File": str(one.path), "Registries": list(one.registries)} for one in forgotten]
        )
    elif not forgotten:
        render.line("Not logged in to any registry" if key is None else f"Not logged in to {key}")
    else:
        render.lines(
            f"Removed login credentials for {name} from {place.path}"
            for place in forgotten
            for name in place.registries
        )
    if settings.environment.get(AUTH_VARIABLE):
        messages.note(f"the credentials in {AUTH_VARIABLE} stay until you unset it")
