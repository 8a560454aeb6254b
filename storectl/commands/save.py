"""``save`` (``export``): images from the store into an archive."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from click.core import ParameterSource

from exporter.options import Format, Layers
from storectl.settings import SAVE_FORMAT_VARIABLE
from storectl.system.completion import image_names, platforms
from storectl.system.parameters import FilePath
from storectl.system.pipes import is_output_closed, is_terminal, widen
from storectl.verb import Verb, advised, checked_platform, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter import LegacyLoss, SaveOptions
    from storectl.settings import Settings


@click.command(
    "save",
    cls=Verb,
    examples=(
        "storectl save -o images.tar debian:12 team/app",
        "storectl save debian:12 | docker load",
        "storectl save --format oci --referrers -o layout/ team/app:1.4",
        "storectl save -o team.tar.zst 'team/*:1.*'",
    ),
)
@click.option(
    "-o",
    "--output",
    metavar="FILE|DIR/",
    type=FilePath(dash=True),
    help=(
        "Write to this file instead of standard output. The file appears when it is complete. With"
        " --format oci you can name a folder, to which the images are added."
    ),
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([one.value for one in Format]),
    envvar=SAVE_FORMAT_VARIABLE,
    help=(
        "legacy: an archive as Docker before 25 writes it; docker: an archive as Docker 25 and"
        " newer write it, which is also an OCI image layout; oci: an OCI image layout.  [default:"
        " $STORECTL_SAVE_FORMAT, else legacy if it loses nothing, else docker]"
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
@click.option(
    "--compress",
    type=click.Choice(["gzip", "zstd", "none"]),
    help=(
        "Compress the whole archive.  [default: gzip for a FILE that ends with .gz or .tgz,"
        " zstd for .zst or .tzst, else none]"
    ),
)
@click.option(
    "--checksum",
    is_flag=True,
    help="Also print the SHA-256 of the archive; with --json it is a part of the result.",
)
@click.option("--all", "every_tag", is_flag=True, help="Save all tags of the store.")
@click.option(
    "-f",
    "--from-file",
    "list_file",
    metavar="LIST",
    type=FilePath(dash=True),
    help="Also save the images that this file names, one name a line; - reads standard input.",
)
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress and notes.")
@json_option
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=image_names)
@click.pass_context
def command(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    *,
    output: str | None,
    format_: str | None,
    platforms: tuple[str, ...],
    all_platforms: bool,
    referrers: bool,
    sparse: bool,
    layers: str | None,
    compress: str | None,
    checksum: bool,
    every_tag: bool,
    list_file: str | None,
    quiet: bool,
    as_json: bool,
    names: tuple[str, ...],
) -> None:
    """Save images to one archive, by default on standard output.

    A name without a tag means all tags of the repository. A name can be a pattern, as in Go's
    path.Match; quote it. The formats docker and oci keep manifests, indexes and digests unchanged.
    The format legacy has only images, and every Docker reads it. All content is checked against
    its digest while it is written. --json needs -o.
    """
    if not (names or every_tag or list_file is not None):
        raise click.UsageError("Missing argument 'NAME...': name images, or give --all or -f LIST")
    if all_platforms and platforms:
        raise click.UsageError("--all-platforms and --platform exclude each other")
    if all_platforms and sparse:
        raise click.UsageError("--all-platforms and --sparse exclude each other")
    format_ = _format(
        format_, needs_manifests=all_platforms or referrers or sparse or layers is not None
    )
    settings: Settings = ctx.obj
    folder = _folder(output, format_, plain=not checksum and compress in (None, "none"))
    path = None if output in (None, "-") else Path(str(output))
    _require_output(path, as_json=as_json)
    settings.refuse_own_files(folder or path)
    import exporter  # noqa: PLC0415 - `--help` does without
    from store.errors import InvalidInput, printable  # noqa: PLC0415
    from storectl.commands._archive import Written, codec_of, report, write_archive  # noqa: PLC0415
    from storectl.commands._names import chosen_names, read_list  # noqa: PLC0415
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415
    from storectl.output.remedies import note_lines  # noqa: PLC0415
    from storectl.system.malloc import keep_freed  # noqa: PLC0415

    codec = codec_of(path, compress)
    keep_freed()
    options = replace(
        _options(settings, format_, platforms, layers, referrers=referrers, sparse=sparse),
        legacy_loss=_legacy_loss(ctx, format_, platforms),
    )
    listed = () if list_file is None else read_list(list_file)
    if not (names or every_tag or listed):
        raise InvalidInput(f"the list of names {printable(str(list_file))} is empty")
    with (
        settings.open() as store,
        suggesting(store, *names, *listed),
        exporter.open_save(
            store, chosen_names(store, (*names, *listed), every_tag=every_tag), options=options
        ) as export,
    ):
        if not quiet:
            for line in note_lines(export.notes):
                render.line(line, err=True)
        written = Written(export.size_bytes)
        with progress(quiet=quiet or as_json) as bars:
            if folder is not None:
                export.write_folder(folder, bars)
            else:
                size = None if codec else export.size_bytes
                with (
                    _standard_output() if path is None else exporter.atomic_file(path, size) as file
                ):
                    written = write_archive(export, file, codec, bars, checksum=checksum)
    if as_json:
        render.document(
            {
                "Output": output,
                "Format": export.format.value,
                "Images": [str(image) for image in export.images],
                "Size": written.size_bytes,
                **({"SHA256": written.sha256} if checksum else {}),
                "Notes": list(export.notes),
            }
        )
    elif folder is None:
        report(written, output, quiet=quiet)


def _legacy_loss(ctx: click.Context, format_: str | None, platforms: tuple[str, ...]) -> LegacyLoss:
    """Return what to do if the format legacy would lose something."""
    from exporter import LegacyLoss  # noqa: PLC0415 - `--help` does without

    if format_ is None:
        return LegacyLoss.AVOID
    by_variable = ctx.get_parameter_source("format_") is ParameterSource.ENVIRONMENT
    # A user who names a platform, or the format on the command line, expects the loss.
    return LegacyLoss.REFUSE if by_variable and not platforms else LegacyLoss.ACCEPT


def _format(given: str | None, *, needs_manifests: bool) -> str | None:
    """Return the format, or None if the images decide.

    Args:
        given: The value of the option or of the variable.
        needs_manifests: Whether an option is given that the format legacy cannot follow.

    Raises:
        click.UsageError: The options need another format.
    """
    if not needs_manifests:
        return given
    if given == Format.LEGACY:
        raise click.UsageError(
            "--all-platforms, --referrers, --sparse and --layers need --format docker or oci"
        )
    return given or Format.DOCKER.value


def _folder(output: str | None, format_: str | None, *, plain: bool) -> Path | None:
    """Return the folder to write to, or None for a file or standard output.

    Args:
        output: The value of ``--output``.
        format_: The format, or None if the images decide.
        plain: Whether neither a compression nor a checksum of the archive is wanted.

    Raises:
        click.UsageError: The format cannot be a folder, or the options need an archive.
    """
    if output in (None, "-"):
        return None
    path = Path(str(output))
    if not (str(output).endswith("/") or path.is_dir()):
        return None
    if format_ != Format.OCI:
        from store.model.remedies import Remedy  # noqa: PLC0415 - `--help` does without
        from storectl.output.remedies import WORDS  # noqa: PLC0415

        raise advised(
            click.UsageError(
                f"cannot save to {path}: only the format oci can be saved to a folder",
                click.get_current_context(),
            ),
            WORDS[Remedy.SAVE_TO_FILE],
        )
    if not plain:
        raise click.UsageError(
            "--compress and --checksum need an archive, but the output is a folder"
        )
    return path


def _require_output(path: Path | None, *, as_json: bool) -> None:
    if path is not None:
        if is_terminal(path):
            raise click.UsageError(f"Cowardly refusing to save to the terminal {path}.")
        return
    if as_json:
        raise click.UsageError("--json needs -o FILE: the archive goes to standard output")
    if is_output_closed():
        raise click.UsageError(
            "cannot write to standard output: it is closed. Use the -o flag or redirect."
        )
    if sys.stdout.isatty():
        raise click.UsageError(
            "Cowardly refusing to save to a terminal. Use the -o flag or redirect."
        )


def _options(
    settings: Settings,
    format_: str | None,
    platforms: tuple[str, ...],
    layers: str | None,
    *,
    referrers: bool,
    sparse: bool,
) -> SaveOptions:
    from exporter import SaveOptions  # noqa: PLC0415 - `--help` does without
    from store import Platform  # noqa: PLC0415

    return SaveOptions(
        format=Format.LEGACY if format_ is None else Format(format_),
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
