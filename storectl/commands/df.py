"""``df``: the disk usage of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from storectl.output.rows import format_option, show
from storectl.output.units import human_age, human_size
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from datetime import datetime

    from store.queries.usage import Usage, UsageRow
    from storectl.settings import Settings

HEADS: Final = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
_DIGITS: Final = 4
"""Significant digits of sizes, as in docker's totals. Docker's lists show 3."""


@click.command("df", cls=Verb, examples=("storectl df -v",))
@click.option(
    "-v", "--verbose", is_flag=True, help="Show each image and the space it shares with others."
)
@format_option
@json_option
@click.pass_obj
def command(settings: Settings, *, verbose: bool, format_: str, as_json: bool) -> None:
    """Show disk usage, and how much of it `storectl gc` and `storectl prune` would free.

    Sizes of images and layers are uncompressed sizes. Sizes of blobs are sizes on disk. An image is
    active if it has a tag, or is in an index with a tag. RECLAIMABLE is what `storectl prune` would
    free.
    """
    from store.maintenance.reports import KeptReason  # noqa: PLC0415 - `--help` does without
    from storectl.commands._collection import show_kept  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415

    if verbose and format_ != "table":
        raise click.UsageError(
            "--verbose and --format exclude each other: --json prints every image"
        )
    with settings.open() as store:
        usage = store.usage(each=verbose or as_json)
    if as_json:
        render.document(_as_json(usage))
        return
    show(format_, map(_row, usage.rows), tuple(HEADS), HEADS)
    if format_ != "table":
        return
    render.line("")
    reserve = human_size(usage.reserve_bytes, _DIGITS)
    render.line(
        f"on disk: {human_size(usage.on_disk_bytes, _DIGITS)}, including"
        f" {human_size(usage.database_bytes, _DIGITS)} for the database"
        + (f" and {reserve} in reserve for a full disk" if usage.reserve_bytes else "")
    )
    render.line(
        f"saved by sharing layers between images: {human_size(_shared(usage), _DIGITS)}"
        " (uncompressed)"
    )
    render.line(
        f"reclaimable: {human_size(usage.collectable_bytes, _DIGITS)} with `storectl gc`,"
        f" {human_size(usage.prunable_bytes, _DIGITS)} with `storectl prune`"
    )
    render.line(_checked(usage, settings.now()))
    show_kept([one for one in usage.kept if one.reason is not KeptReason.UNTAGGED])
    if verbose:
        now = settings.now()
        render.line("")
        render.table(
            ["IMAGE ID", "NAMES", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE"],
            (
                [
                    one.image_id.digest.short,
                    ", ".join(name.familiar for name in one.references) or render.NONE,
                    human_age(one.created, now),
                    *(
                        human_size(size)
                        for size in (one.size_bytes, one.shared_bytes, one.unique_bytes)
                    ),
                ]
                for one in usage.images
            ),
        )


def _checked(usage: Usage, now: datetime) -> str:
    """Return how much content is known to be sound, as one line."""
    found = usage.checked
    if not found.contents:
        return "checked: nothing is stored"
    oldest = "never" if found.oldest is None else human_age(found.oldest, now)
    return (
        f"checked: {found.contents} content(s), {found.damaged} damaged; the oldest check: {oldest}"
    )


def _row(row: UsageRow) -> dict[str, str]:
    return {
        "Type": row.kind,
        "TotalCount": str(row.count),
        "Active": str(row.active),
        "Size": human_size(row.size_bytes, _DIGITS),
        "Reclaimable": _reclaimable(row),
    }


def _reclaimable(row: UsageRow) -> str:
    share = f" ({100 * row.reclaimable_bytes // row.size_bytes}%)" if row.size_bytes else ""
    return human_size(row.reclaimable_bytes, _DIGITS) + share


def _shared(usage: Usage) -> int:
    """Return the bytes saved by sharing: the size of all images minus the size of all layers."""
    sizes = {row.kind: row.size_bytes for row in usage.rows}
    return max(0, sizes["Images"] - sizes["Layers"])


def _as_json(usage: Usage) -> dict[str, Any]:
    from storectl.commands._collection import kept_as_json  # noqa: PLC0415 - `--help` does without
    from storectl.output.render import time  # noqa: PLC0415

    return {
        "Rows": [
            {
                "Type": row.kind,
                "TotalCount": row.count,
                "Active": row.active,
                "Size": row.size_bytes,
                "Reclaimable": row.reclaimable_bytes,
            }
            for row in usage.rows
        ],
        "Images": [
            {
                "Id": str(one.image_id),
                "RepoTags": [name.familiar for name in one.references],
                "Created": time(one.created),
                "Size": one.size_bytes,
                "SharedSize": one.shared_bytes,
                "UniqueSize": one.unique_bytes,
            }
            for one in usage.images
        ],
        "Shared": _shared(usage),
        "OnDisk": usage.on_disk_bytes,
        "Database": usage.database_bytes,
        "Reserve": usage.reserve_bytes,
        "Collectable": usage.collectable_bytes,
        "Prunable": usage.prunable_bytes,
        "Contents": {
            "TotalCount": usage.checked.contents,
            "Damaged": usage.checked.damaged,
            "OldestCheck": time(usage.checked.oldest),
        },
        "Kept": kept_as_json(usage.kept),
    }
