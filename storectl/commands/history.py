"""``history``: the steps that built an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from storectl.commands._archives import archive_argument, explained
from storectl.commands._platform import platform_choice, platform_option
from storectl.commands._suggestions import suggesting
from storectl.output.rows import format_option, show
from storectl.output.units import human_age, human_size
from storectl.system.completion import image_names
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from datetime import datetime

    from store import Store
    from store.queries.details import ImageDetails
    from storectl.settings import Settings

HEADS: Final = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
MISSING: Final = "<missing>"
_SHOWN: Final = 45


@click.command("history", cls=Verb, examples=("storectl history --no-trunc debian:12",))
@click.option("--no-trunc", is_flag=True, help="Do not truncate IDs and commands.")
@click.option("-q", "--quiet", is_flag=True, help="Only show image IDs.")
@click.option(
    "-H",
    "--human/--no-human",
    default=True,
    help="Print sizes and dates in human-readable format.  [default: human]",
)
@platform_option
@format_option
@json_option
@click.argument("name", shell_complete=image_names)
@click.pass_obj
def command(
    settings: Settings,
    *,
    no_trunc: bool,
    quiet: bool,
    human: bool,
    platform: str | None,
    format_: str,
    as_json: bool,
    name: str,
) -> None:
    """Show the history of an image, newest step first, like `docker history`.

    NAME may also be an archive or a folder with one image, as for `storectl inspect`.
    """
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    choice = platform_choice(settings, platform)
    archive = archive_argument(name)
    if archive is not None:
        details, parents = archive.read_one(choice)
        steps = _steps(details, [str(details.image_id), *map(str, parents)])
    else:
        with explained(name), settings.open() as store, suggesting(store, name):
            details = store.inspect(name, choice)
            steps = _steps(details, _ancestry(store, details))
    if as_json:
        render.document([{**step, "Created": render.time(step["Created"])} for step in steps])
        return
    now = settings.now()
    rows = [_row(step, now, no_trunc=no_trunc, human=human) for step in steps]
    if quiet:
        render.lines(row["ID"] for row in rows)
    else:
        columns = ("ID", "CreatedSince" if human else "CreatedAt", "CreatedBy", "Size", "Comment")
        show(format_, rows, columns, HEADS)


def _ancestry(store: Store, details: ImageDetails) -> list[str]:
    """Return the IDs of the image and of its known parents, newest first."""
    line = [str(details.image_id)]
    parent = details.parent
    while parent is not None:
        line.append(str(parent))
        parent = store.inspect(str(parent)).parent
    return line


def _steps(details: ImageDetails, line: list[str]) -> list[dict[str, Any]]:
    """Return a step for each entry of the history, newest first.

    A parent image has one entry less than its child. So the newest entry gets the image's ID, the
    next entry the ID of its parent, and so on.

    Args:
        details: The image and its config.
        line: The IDs of the image and its parents, newest first.
    """
    layers = iter(details.layers)
    steps = []
    for entry in details.config.history:
        layer = None if entry.empty_layer else next(layers, None)
        size = 0 if layer is None else layer.size_bytes
        steps.append(
            {
                "Id": MISSING,
                "Created": entry.created.utc(),
                "CreatedBy": entry.created_by,
                "Size": size,
                "Comment": entry.comment,
            }
        )
    steps.reverse()
    for step, image in zip(steps, line, strict=False):
        step["Id"] = image
    return steps


def _row(step: dict[str, Any], now: datetime, *, no_trunc: bool, human: bool) -> dict[str, str]:
    """Return docker's fields for a step, in docker's alphabetical order."""
    from storectl.output.render import local_time, shorten  # noqa: PLC0415 - `--help` does without

    made_by = str(step["CreatedBy"]).replace("\t", " ")
    return {
        "Comment": step["Comment"],
        "CreatedAt": local_time(step["Created"]),
        "CreatedBy": made_by if no_trunc else shorten(made_by, _SHOWN),
        "CreatedSince": human_age(step["Created"], now),
        "ID": (
            step["Id"] if no_trunc or step["Id"] == MISSING else step["Id"].partition(":")[2][:12]
        ),
        "Size": human_size(step["Size"]) if human else str(step["Size"]),
    }
