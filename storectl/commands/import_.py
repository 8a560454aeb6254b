"""``import`` (``load``): archives in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from storectl.units import human_size, parse_size
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from store.model import ImportReport
    from storectl.settings import Settings


class Size(click.ParamType[int]):
    """A number of bytes, such as ``10GB``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's signature
        """Text to bytes."""
        try:
            return value if isinstance(value, int) else parse_size(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


@click.command(
    "import",
    cls=Verb,
    examples=("docker save debian:12 | storectl import -", "storectl import base.tar app.tar.zst"),
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks.")
@click.option("-i", "--input", "inputs", multiple=True, metavar="FILE", type=click.Path(allow_dash=True), help="Read this archive, before any SOURCE.")
@click.option("--compression", default="zstd", show_default=True, metavar="HOW", help="How layers are stored: none, zstd or zstd:LEVEL (1 to 19).")
@click.option("--max-layer-size", type=Size(), metavar="SIZE", help="Refuse layers larger than this, decompressed.  [default: 1024GiB]")
@json_option
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=click.Path(allow_dash=True))
@click.pass_obj
def command(
    settings: Settings, *, quiet: bool, inputs: tuple[str, ...], compression: str, max_layer_size: int | None, as_json: bool, sources: tuple[str, ...]
) -> None:
    """Take in archives that `docker save` wrote, compressed or not; `-` or nothing reads standard input.

    Each archive is taken in whole or not at all. Layers that are already in the store are not read again from a file, and may be missing from an archive.
    """
    from dataclasses import replace  # noqa: PLC0415 - `--help` does without

    from store import Compression, ImportOptions, Limits  # noqa: PLC0415
    from storectl import render  # noqa: PLC0415
    from storectl.progress import progress  # noqa: PLC0415

    how = Compression.parse(compression)
    limits = Limits() if max_layer_size is None else replace(Limits(), layer_bytes=max_layer_size)
    opened = _open(inputs + sources or ("-",))
    reports: list[tuple[str, ImportReport]] = []
    try:
        with settings.open(create=True) as store:
            for name, source in opened:
                with progress(quiet=quiet or as_json) as bars:
                    report = store.import_archive(source, ImportOptions(how, limits, source_name=name), bars)
                reports.append((name, report))
                if not as_json:
                    _show(report, quiet=quiet)
    finally:
        # When a later archive is refused, the earlier ones are in all the same.
        if as_json and reports:
            render.document([_as_json(name, report) for name, report in reports])


def _open(names: tuple[str, ...]) -> list[tuple[str, Path | BinaryIO]]:
    if names.count("-") > 1:
        raise click.UsageError("standard input can be read only once")
    return [(name, _standard_input() if name == "-" else Path(name)) for name in names]


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise click.UsageError("requested to read an archive from standard input, but it is closed: give a file, or redirect")
    if sys.stdin.isatty():
        raise click.UsageError("requested to read an archive from standard input, but it is a terminal: give a file, or redirect")
    return sys.stdin.buffer


def _show(report: ImportReport, *, quiet: bool) -> None:
    from storectl import render  # noqa: PLC0415 - `--help` does without

    for text in report.lines:
        render.line(text)
    if quiet:
        return
    for note in report.notes:
        render.line(f"note: {note}", err=True)
    if not report.changed:
        render.line("nothing new: everything in this archive is already in the store", err=True)
    else:
        render.line(f"{report.new_images} new image(s), {report.new_layers} new layer(s), {human_size(report.new_bytes)} stored", err=True)


def _as_json(name: str, report: ImportReport) -> dict[str, Any]:
    return {
        "source": name,
        "images": [str(image) for image in report.images],
        "tags": [
            {"name": tag.reference.familiar, "image": str(tag.image_id), "replaced": None if tag.replaced is None else str(tag.replaced)} for tag in report.tags
        ],
        "notes": list(report.notes),
        "changed": report.changed,
        "newImages": report.new_images,
        "newLayers": report.new_layers,
        "newBytes": report.new_bytes,
        "readBytes": report.read_bytes,
    }
