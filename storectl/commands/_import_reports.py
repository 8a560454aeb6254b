"""What `import` prints about an archive or the files of a registry, as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from storectl.output.units import human_size

if TYPE_CHECKING:
    from store.importing.report import ImportReport


@final
@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """What became of an archive.

    Attributes:
        report: The report of its import.
        is_dry_run: Whether nothing was changed.
        losses: The number of losses of content: an archive is imported completely or not at all.
    """

    report: ImportReport
    is_dry_run: bool
    losses: int = 0

    def show(self, *, quiet: bool) -> None:
        """Print what the import did, or would do, in the words of docker.

        Args:
            quiet: Whether to leave out notes and the summary.
        """
        from storectl.output import render  # noqa: PLC0415 - `--help` does without
        from storectl.output.remedies import note_lines  # noqa: PLC0415

        report = self.report
        for text in report.lines:
            render.line(text.replace("Loaded ", "Would load ", 1) if self.is_dry_run else text)
        if quiet:
            return
        for line in note_lines(report.notes):
            render.line(line, err=True)
        if not report.changed:
            render.line("nothing new: the store already has all content of this archive", err=True)
        else:
            how = "would be stored" if self.is_dry_run else "stored"
            render.line(f"{counts(report)} {how}", err=True)

    def as_json(self, source: str) -> dict[str, Any]:
        """Return the result as a JSON object.

        Args:
            source: The source, as the user wrote it.
        """
        return as_json(source, self.report)


def counts(report: ImportReport) -> str:
    """Return the numbers of new images, layers and bytes in words.

    Args:
        report: The report of the import.
    """
    return (
        f"{report.new_images} new image(s), {report.new_layers} new layer(s),"
        f" {human_size(report.new_bytes)}"
    )


def as_json(name: str, report: ImportReport) -> dict[str, Any]:
    """Return a report as a JSON object.

    Args:
        name: The source, as the user wrote it.
        report: The report of the import.
    """
    return {
        "Source": name,
        "Images": [str(image) for image in report.images],
        "Tags": [
            {
                "Name": tag.reference.familiar,
                "Id": None if tag.image_id is None else str(tag.image_id),
                "Digest": None if tag.manifest is None else str(tag.manifest),
                "Replaced": None if tag.replaced is None else str(tag.replaced),
            }
            for tag in report.tags
        ],
        "Notes": list(report.notes),
        "Changed": report.changed,
        "NewImages": report.new_images,
        "NewLayers": report.new_layers,
        "NewBytes": report.new_bytes,
        "ReadBytes": report.read_bytes,
    }
