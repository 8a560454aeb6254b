"""Archives in and out: ``import`` and ``save``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from storectl.units import human_size, parse_size

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


@click.command("import", epilog="Example: docker save debian:12 | storectl import -")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks.")
@click.option("-i", "--input", "inputs", multiple=True, metavar="FILE", help="Read this archive.")
@click.option("--compression", default="zstd", show_default=True, metavar="HOW", help="How layers are stored: none, zstd or zstd:LEVEL.")
@click.option("--max-layer-size", type=Size(), help="Refuse layers larger than this, decompressed.  [default: 1TiB]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.pass_obj
def import_command(
    settings: Settings, *, quiet: bool, inputs: tuple[str, ...], compression: str, max_layer_size: int | None, as_json: bool, sources: tuple[str, ...]
) -> None:
    """Take in archives that `docker save` wrote (compressed or not); `-` or nothing reads standard input.

    Each archive is taken in whole or not at all. Layers that are already in the store are not read again.
    """
    from dataclasses import replace  # noqa: PLC0415

    from store import Compression, ImportOptions, Limits  # noqa: PLC0415
    from storectl import render  # noqa: PLC0415
    from storectl.progress import progress  # noqa: PLC0415

    how = Compression.parse(compression)
    limits = Limits() if max_layer_size is None else replace(Limits(), layer_bytes=max_layer_size)
    reports: list[tuple[str, ImportReport]] = []
    names = (*inputs, *sources) or ("-",)
    opened = [(name, _source(name)) for name in names]
    with settings.open(create=True) as store:
        for name, source in opened:
            with progress(quiet=quiet or as_json) as bars:
                report = store.import_archive(source, ImportOptions(how, limits, source_name=name), bars)
            reports.append((name, report))
            if not as_json:
                for text in report.lines:
                    render.line(text)
                if not quiet:
                    _remarks(report)
    if as_json:
        render.document([_as_json(name, report) for name, report in reports])


def _source(name: str) -> Path | BinaryIO:
    if name != "-":
        return Path(name)
    if sys.stdin.isatty():
        raise click.UsageError("requested to read an archive from standard input, but it is a terminal: give a file, or redirect")
    return sys.stdin.buffer


def _remarks(report: ImportReport) -> None:
    from storectl import render  # noqa: PLC0415

    for note in report.notes:
        render.line(f"note: {note}", err=True)
    if not report.changed:
        click.echo("nothing new: everything in this archive is already in the store", err=True)
    elif report.new_layers:
        click.echo(f"{report.new_images} new image(s), {report.new_layers} new layer(s), {human_size(report.new_bytes)} stored", err=True)


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


@click.command("save", epilog="Example: storectl save -o images.tar debian:12 team/app")
@click.option("-o", "--output", metavar="FILE", help="Write to this file instead of standard output; it appears when it is whole.")
@click.option("--format", "format_", type=click.Choice(["legacy"]), default="legacy", show_default=True, help="The archive's format.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (with -o).")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def save_command(settings: Settings, *, output: str | None, format_: str, quiet: bool, as_json: bool, names: tuple[str, ...]) -> None:
    """Write images to one archive, just as `docker save` does; a name without a tag means all its tags."""
    if output in (None, "-") and sys.stdout.isatty():
        raise click.UsageError("Cowardly refusing to save to a terminal. Use the -o flag or redirect.")
    if output in (None, "-") and as_json:
        raise click.UsageError("--json needs -o: standard output is the archive")
    import exporter  # noqa: PLC0415
    from storectl import render  # noqa: PLC0415
    from storectl.progress import progress  # noqa: PLC0415

    with settings.open() as store, exporter.open_save(store, names, format=format_) as export:
        for note in export.notes:
            render.line(f"note: {note}", err=True)
        with progress(quiet=quiet or as_json) as bars:
            if output in (None, "-"):
                export.write(sys.stdout.buffer.raw if hasattr(sys.stdout.buffer, "raw") else sys.stdout.buffer, bars)
            else:
                with exporter.atomic_file(Path(str(output))) as file:
                    export.write(file, bars)
        if as_json:
            render.document({"output": output, "format": format_, "images": [str(image) for image in export.images], "size": export.size_bytes})
