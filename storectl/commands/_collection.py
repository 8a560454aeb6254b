"""The output of garbage collection, for `gc` and `prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from store.maintenance.reports import KeptReason
from store.registry.repositories import repository_of
from storectl.output import render
from storectl.output.units import human_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.maintenance.reports import CollectionReport, Kept

_MAX_LINES: Final = 10
"""How many repositories are listed for each reason; the others are summed up."""

_HINTS: Final = {
    KeptReason.PUSHED: "`storectl gc --now` removes blobs without a manifest before that time",
    KeptReason.PUSHING: "run `storectl gc --now` again after that time",
    KeptReason.DOWNLOAD: "`storectl gc --now` removes interrupted downloads before that time",
    KeptReason.QUARANTINED: (
        "`storectl gc --quarantine 0` removes the files in quarantine before that time"
    ),
    KeptReason.UNDO: "`storectl gc --undo-for 0` removes it before that time",
    KeptReason.UNTAGGED: "`storectl prune` removes untagged images",
}


def show(report: CollectionReport, *, as_json: bool) -> None:
    """Print what a collection removed, or would remove, and how many bytes that frees.

    Args:
        report: The result of the collection.
        as_json: Whether to print one JSON document instead of lines.
    """
    if as_json:
        render.document(
            {
                # The first two keys are those of Docker's API for a prune.
                "ImagesDeleted": [{"Deleted": str(image)} for image in report.images],
                "SpaceReclaimed": report.freed_bytes,
                "Manifests": report.manifests,
                "Layers": report.layers,
                "Blobs": [str(digest) for digest in report.blobs],
                "OrphanFiles": report.orphan_files,
                "DeadOperations": report.dead_operations,
                "Uploads": report.uploads,
                "Downloads": report.downloads,
                "CacheTags": report.cached_tags,
                "DryRun": report.dry_run,
                "Kept": kept_as_json(report.kept),
            }
        )
        return
    deleted = "Would delete" if report.dry_run else "Deleted"
    for image in report.images:
        render.line(f"{deleted}: {image}")
    files = len(report.blobs) + report.orphan_files
    render.line(
        f"{deleted}: {len(report.images)} image(s), {report.layers} layer(s), {files} file(s)"
    )
    if report.uploads:
        render.line(f"{deleted}: {report.uploads} abandoned upload(s)")
    if report.cached_tags:
        render.line(f"{deleted}: {report.cached_tags} tag(s) that were pulled through")
    if report.downloads:
        render.line(f"{deleted}: {report.downloads} interrupted download(s)")
    if report.dead_operations:
        render.line(f"Cleaned up after {report.dead_operations} interrupted operation(s)")
    render.line(
        f"Total {'reclaimable' if report.dry_run else 'reclaimed'} space:"
        f" {human_size(report.freed_bytes, 4)}"
    )
    show_kept(report.kept)


def show_kept(kept: Sequence[Kept]) -> None:
    """Print what a collection keeps, why and until when: one line for each reason and repository.

    Args:
        kept: The files that a collection keeps.
    """
    for reason in KeptReason:
        groups = sorted(
            (one for one in kept if one.reason is reason), key=lambda one: -one.size_bytes
        )
        for one in groups[:_MAX_LINES]:
            render.line(_kept_line(one))
        others = groups[_MAX_LINES:]
        if others:
            size = human_size(sum(one.size_bytes for one in others), 4)
            render.line(f"Kept: {size} for the same reason in {len(others)} more repositories")
        if groups and reason in _HINTS:
            render.line(f"hint: {_HINTS[reason]}", err=True)


def kept_as_json(kept: Sequence[Kept]) -> list[dict[str, Any]]:
    """Return what a collection keeps, as JSON objects.

    Args:
        kept: The files that a collection keeps.
    """
    return [
        {
            "Reason": one.reason.value,
            "Files": one.files,
            "Size": one.size_bytes,
            "Images": one.images,
            "Repository": None if one.repository is None else _familiar(one.repository),
            "Until": None if one.until is None else render.time(one.until),
        }
        for one in kept
    ]


def _kept_line(one: Kept) -> str:  # noqa: PLR0911 - a table
    size = human_size(one.size_bytes, 4)
    until = "" if one.until is None else f", until {render.local_time(one.until)}"
    where = "" if one.repository is None else f" to {_familiar(one.repository)}"
    match one.reason:
        case KeptReason.PUSHED:
            return f"Kept: {one.files} blob(s), {size}, pushed{where} without a manifest{until}"
        case KeptReason.PUSHING:
            return (
                f"Kept: {one.files} blob(s), {size}, because a push{where} may be in"
                f" progress{until}"
            )
        case KeptReason.UPLOAD:
            return f"Kept: {one.files} upload(s) in progress{where}, {size}{until}"
        case KeptReason.DOWNLOAD:
            return f"Kept: {one.files} interrupted download(s), {size}, for the next pull{until}"
        case KeptReason.OPERATION:
            return f"Kept: {one.files} file(s), {size}, in use by a running operation"
        case KeptReason.QUARANTINED:
            return (
                f"Kept: {one.files} file(s), {size}, in quarantine: the catalogue does not know"
                f" them{until}"
            )
        case KeptReason.UNDO:
            return (
                f"Kept: {one.files} file(s) and {one.images} image(s), {size}, for"
                f" `storectl rollback`{until}"
            )
        case KeptReason.UNTAGGED:
            if one.images:
                return f"Kept: {one.images} untagged image(s), {size}"
            return f"Kept: {one.files} file(s) of untagged manifests, {size}"


def _familiar(repository: str) -> str:
    return repository_of(repository).familiar
