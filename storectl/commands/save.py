"""``save`` (``export``): archives out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from exporter.options import Format, Layers
from storectl.system.completion import image_names
from storectl.system.pipes import widen
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter import SaveOptions
    from storectl.settings import Settings


@click.command(
    "save",
    cls=Verb,
    examples=(
        "storectl save -o images.tar debian:12 team/app",
        "storectl save debian:12 | docker load",
        "storectl save --format oci --referrers -o layout/ team/app:1.4",
    ),
)
@click.option(
    "-o",
    "--output",
    metavar="FILE|DIR/",
    type=click.Path(allow_dash=True),
    help=(
        "Write to this file instead of standard output; it appears when it is whole. A folder, with"
        " --format oci, is added to."
    ),
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([one.value for one in Format]),
    default=Format.LEGACY.value,
    show_default=True,
    help=(
        "legacy: as Docker up to 24; docker: as Docker since 25, an image layout too; oci: an image"
        " layout."
    ),
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    help="Save what is for this platform (repeatable).",
)
@click.option(
    "--all-platforms",
    is_flag=True,
    help="Save all platforms of an index, or refuse; so docker and oci do anyway.",
)
@click.option(
    "--referrers",
    is_flag=True,
    help="Save signatures, attestations and what else refers to the images.",
)
@click.option(
    "--sparse", is_flag=True, help="Save an index as it is, with what of it is here and wanted."
)
@click.option(
    "--layers",
    type=click.Choice([one.value for one in Layers]),
    help="Encode layers anew; manifests change, image IDs do not.",
)
@click.option("--compress", type=click.Choice(["gzip", "zstd"]), help="Compress the whole archive.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks.")
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    output: str | None,
    format_: str,
    platforms: tuple[str, ...],
    all_platforms: bool,
    referrers: bool,
    sparse: bool,
    layers: str | None,
    compress: str | None,
    quiet: bool,
    as_json: bool,
    names: tuple[str, ...],
) -> None:
    """Write images to one archive; a name without a tag means all its tags.

    The formats docker and oci keep manifests, indexes and digests as they are. Every byte is
    checked against its digest on the way. --json needs -o, for standard output is the archive.
    """
    if all_platforms and (platforms or format_ == "legacy"):
        raise click.UsageError(
            "--all-platforms goes with --format docker or oci, and without --platform"
        )
    if all_platforms and sparse:
        raise click.UsageError(
            "--all-platforms saves all or refuses, and --sparse saves what is here: choose one"
        )
    if format_ == "legacy" and (referrers or sparse or layers):
        raise click.UsageError("--referrers, --sparse and --layers go with --format docker or oci")
    folder = _folder(output)
    if folder is not None and format_ != "oci":
        from store.errors import InvalidInput  # noqa: PLC0415 - `--help` does without

        raise InvalidInput(
            f"{folder} is a folder, and only the format oci can be one",
            hint="give -o the name of a file, or --format oci",
        )
    if folder is not None and compress:
        raise click.UsageError("--compress compresses an archive, and the output is a folder")
    path = None if output in (None, "-") else Path(str(output))
    _require_output(path, as_json=as_json)
    import exporter  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415
    from storectl.output.remedies import note_lines  # noqa: PLC0415
    from storectl.system.malloc import keep_freed  # noqa: PLC0415

    keep_freed()
    options = _options(settings, format_, platforms, layers, referrers=referrers, sparse=sparse)
    with settings.open() as store, exporter.open_save(store, names, options=options) as export:
        if not quiet:
            for line in note_lines(export.notes):
                render.line(line, err=True)
        with progress(quiet=quiet or as_json) as bars:
            if folder is not None:
                export.write_folder(folder, bars)
            else:
                with (
                    _standard_output() if path is None else exporter.atomic_file(path) as file,
                    exporter.compressed(file, compress) as sink,
                ):
                    export.write(sink, bars)
    if as_json:
        render.document(
            {
                "output": output,
                "format": format_,
                "images": [str(image) for image in export.images],
                "size": export.size_bytes,
            }
        )


def _folder(output: str | None) -> Path | None:
    """The folder that is to be written to; None for a file or standard output."""
    if output in (None, "-"):
        return None
    path = Path(str(output))
    return path if str(output).endswith("/") or path.is_dir() else None


def _require_output(path: Path | None, *, as_json: bool) -> None:
    if path is not None:
        return
    if as_json:
        raise click.UsageError("--json needs -o FILE: standard output is the archive")
    if sys.stdout is None:
        raise click.UsageError("standard output is closed. Use the -o flag or redirect.")
    if sys.stdout.isatty():
        raise click.UsageError(
            "Cowardly refusing to save to a terminal. Use the -o flag or redirect."
        )


def _options(
    settings: Settings,
    format_: str,
    platforms: tuple[str, ...],
    layers: str | None,
    *,
    referrers: bool,
    sparse: bool,
) -> SaveOptions:
    from exporter import SaveOptions  # noqa: PLC0415 - `--help` does without
    from store import Platform  # noqa: PLC0415

    return SaveOptions(
        format=Format(format_),
        platforms=tuple(Platform.parse(text) for text in platforms),
        machine=Platform.of("linux", settings.machine),
        sparse=sparse,
        referrers=referrers,
        layers=None if layers is None else Layers(layers),
    )


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    from store.files.os_errors import Whose, translated  # noqa: PLC0415 - `--help` does without

    with translated("standard output", whose=Whose.OUTPUT):
        widen(sys.stdout.buffer)
        # Unbuffered: an archive comes in large pieces.
        yield getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
