"""The output of garbage collection, for `gc` and `prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storectl.output import render
from storectl.output.units import human_size

if TYPE_CHECKING:
    from store.maintenance.reports import CollectionReport


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
                "DryRun": report.dry_run,
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
    if report.dead_operations:
        render.line(f"Cleaned up after {report.dead_operations} interrupted operation(s)")
    render.line(
        f"Total {'reclaimable' if report.dry_run else 'reclaimed'} space:"
        f" {human_size(report.freed_bytes, 4)}"
    )
