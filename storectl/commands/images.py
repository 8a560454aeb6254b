"""The list of images."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from storectl.completing import image_names
from storectl.units import human_age, human_size

if TYPE_CHECKING:
    from store.model import ImageFilter, ImageSummary
    from storectl.settings import Settings

NONE = "<none>"


@click.command("images", epilog="Example: storectl images --filter label=stage=prod --digests")
@click.option("-a", "--all", "everything", is_flag=True, help="Show images too that others are built on and that have no name.")
@click.option("--digests", is_flag=True, help="Show manifest digests.")
@click.option("-f", "--filter", "filters", multiple=True, metavar="KEY=VALUE", help="reference=, label=, dangling=, before= or since=.")
@click.option("--no-trunc", is_flag=True, help="Show whole IDs.")
@click.option("-q", "--quiet", is_flag=True, help="Show IDs only.")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", help="A table, or one JSON object a line.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument("name", required=False, metavar="[REPOSITORY[:TAG]]", shell_complete=image_names)
@click.pass_obj
def images_command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    everything: bool,
    digests: bool,
    filters: tuple[str, ...],
    no_trunc: bool,
    quiet: bool,
    format_: str,
    as_json: bool,
    name: str | None,
) -> None:
    """List images, newest first, as `docker images` does."""
    from storectl import render  # noqa: PLC0415

    with settings.open() as store:
        found = store.images(parse_filters(filters, name, everything=everything))
    if as_json:
        render.document([_whole(image) for image in found])
        return
    if quiet:
        for image in found:
            click.echo(str(image.image_id) if no_trunc else image.image_id.digest.short)
        return
    now = datetime.now(UTC)
    rows = [row for image in found for row in _rows(image, now, no_trunc=no_trunc)]
    if format_ == "json":
        import json  # noqa: PLC0415

        for row in rows:
            click.echo(json.dumps(row))
        return
    columns = ["Repository", "Tag", *(["Digest"] if digests else []), "ID", "CreatedSince", "Size"]
    head = {"ID": "IMAGE ID", "CreatedSince": "CREATED"}
    render.table([head.get(column, column.upper()) for column in columns], [[row[column] for column in columns] for row in rows])


def parse_filters(filters: tuple[str, ...], name: str | None, *, everything: bool) -> ImageFilter:
    """Docker's ``--filter`` values. Raises click.UsageError."""
    from store import ImageFilter  # noqa: PLC0415

    known: dict[str, list[str]] = {"reference": [], "label": [], "dangling": [], "before": [], "since": []}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in known:
            raise click.UsageError(f"invalid filter {text!r}: expected one of {', '.join(known)}, as in reference=debian")
        known[key].append(value)
    dangling = {"true": True, "1": True, "false": False, "0": False}
    if any(value not in dangling for value in known["dangling"]):
        raise click.UsageError("the filter dangling is true or false")
    return ImageFilter(
        references=(*known["reference"], *((name,) if name else ())),
        labels=tuple(known["label"]),
        dangling=dangling[known["dangling"][-1]] if known["dangling"] else None,
        before=known["before"][-1] if known["before"] else None,
        since=known["since"][-1] if known["since"] else None,
        include_intermediate=everything,
    )


def _rows(image: ImageSummary, now: datetime, *, no_trunc: bool) -> list[dict[str, str]]:
    names = [(tagged.reference.repository.familiar, tagged.reference.tag or NONE, str(tagged.manifest)) for tagged in image.references]
    return [
        {
            "Repository": repository,
            "Tag": tag,
            "Digest": digest,
            "ID": str(image.image_id) if no_trunc else image.image_id.digest.short,
            "CreatedAt": NONE if image.created is None else image.created.isoformat(),
            "CreatedSince": human_age(image.created, now),
            "Size": human_size(image.size_bytes),
        }
        for repository, tag, digest in names or [(NONE, NONE, NONE)]
    ]


def _whole(image: ImageSummary) -> dict[str, Any]:
    return {
        "id": str(image.image_id),
        "tags": [tagged.reference.familiar for tagged in image.references],
        "manifests": [str(digest) for digest in image.manifests],
        "created": None if image.created is None else image.created.isoformat(),
        "size": image.size_bytes,
        "parent": None if image.parent is None else str(image.parent),
        "dangling": image.dangling,
    }
