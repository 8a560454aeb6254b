"""``save`` (``export``): images from the store into an archive."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from exporter.options import Format, Layers
from storectl.system.completion import image_names, platforms
from storectl.system.pipes import widen
from storectl.verb import Verb, checked_platform, json_option

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
        "Write to this file instead of standard output. The file appears when it is complete. With"
        " --format oci you can name a folder, to which the images are added."
    ),
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([one.value for one in Format]),
    default=Format.LEGACY.value,
    show_default=True,
    help=(
        "legacy: an archive as Docker before 25 writes it; docker: an archive as Docker 25 and"
        " newer write it, which is also an OCI image layout; oci: an OCI image layout."
    ),
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    shell_complete=platforms,
    callback=checked_platform,
    help="Save only images for this platform (repeatable).",
)
@click.option(
    "--all-platforms",
    is_flag=True,
    help="Fail unless all platforms of an index can be saved (default for docker and oci).",
)
@click.option(
    "--referrers",
    is_flag=True,
    help="Also save signatures, attestations and other artifacts that refer to the images.",
)
@click.option(
    "--sparse",
    is_flag=True,
    help="Keep indexes unchanged, even if some of their images are missing or not selected.",
)
@click.option(
    "--layers",
    type=click.Choice([one.value for one in Layers]),
    help="Re-encode layers. This changes manifest digests but not image IDs.",
)
@click.option("--compress", type=click.Choice(["gzip", "zstd"]), help="Compress the whole archive.")
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress and notes.")
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
    """Save images to one archive, by default on standard output.

    A name without a tag means all tags of the repository. The formats docker and oci keep
    manifests, indexes and digests unchanged. All content is checked against its digest while it is
    written. --json needs -o.
    """
    if all_platforms and (platforms or format_ == "legacy"):
        raise click.UsageError(
            "--all-platforms needs --format docker or oci, and excludes --platform"
        )
    if all_platforms and sparse:
        raise click.UsageError("--all-platforms and --sparse exclude each other")
    if format_ == "legacy" and (referrers or sparse or layers):
        raise click.UsageError("--referrers, --sparse and --layers need --format docker or oci")
    folder = _folder(output)
    if folder is not None and format_ != "oci":
        from store.errors import InvalidInput  # noqa: PLC0415 - `--help` does without
        from store.model.remedies import Remedy  # noqa: PLC0415

        raise InvalidInput(
            f"cannot save to {folder}: only the format oci can be saved to a folder",
            remedy=Remedy.SAVE_TO_FILE,
        )
    if folder is not None and compress:
        raise click.UsageError("--compress needs an archive, but the output is a folder")
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
                "Output": output,
                "Format": format_,
                "Images": [str(image) for image in export.images],
                "Size": export.size_bytes,
            }
        )


def _folder(output: str | None) -> Path | None:
    """Return the folder to write to, or None for a file or standard output."""
    if output in (None, "-"):
        return None
    path = Path(str(output))
    return path if str(output).endswith("/") or path.is_dir() else None


def _require_output(path: Path | None, *, as_json: bool) -> None:
    if path is not None:
        return
    if as_json:
        raise click.UsageError("--json needs -o FILE: the archive goes to standard output")
    if sys.stdout is None:
        raise click.UsageError(
            "cannot write to standard output: it is closed. Use the -o flag or redirect."
        )
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
        # No buffer is needed: an archive is written in large pieces.
        yield getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
