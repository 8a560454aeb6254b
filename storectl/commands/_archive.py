"""The archive that `save` writes: its compression, checksum and size."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, final

import click

from exporter.output import tar_file
from exporter.output.checksum import Measuring, is_readable, sha256_of
from exporter.output.compression import compressed
from storectl.output import render
from storectl.output.units import human_size

if TYPE_CHECKING:
    from pathlib import Path

    from exporter import Export
    from store.model.progress import Progress

_ENDINGS: Final = {".gz": "gzip", ".tgz": "gzip", ".zst": "zstd", ".tzst": "zstd"}
"""The endings of file names that stand for a compressed archive."""

_OTHER_ENDINGS: Final = {
    ".bz2": "bzip2",
    ".tbz": "bzip2",
    ".tbz2": "bzip2",
    ".xz": "xz",
    ".txz": "xz",
    ".lz4": "lz4",
    ".lzma": "lzma",
    ".lz": "lzip",
    ".br": "brotli",
    ".zip": "zip",
    ".7z": "7z",
    ".rar": "rar",
}
"""The endings of file names that stand for a form that is not written."""


@final
@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        size_bytes: The length of the archive as it was written.
        sha256: Its SHA-256; None if nobody asked for it.
    """

    size_bytes: int
    sha256: str | None = None


def write_archive(
    export: Export, file: BinaryIO, codec: str | None, bars: Progress, *, checksum: bool
) -> Written:
    """Write the archive, and measure it on the way or after it.

    Several threads write a plain archive into a regular file, in any order. Its checksum is taken
    afterwards, from the page cache.

    Args:
        export: The planned archive.
        file: Receives the archive.
        codec: ``gzip`` or ``zstd``; None for a plain archive.
        bars: Receives the progress.
        checksum: Whether to compute the SHA-256.
    """
    descriptor = tar_file.descriptor_of(file)
    if codec is None and not checksum:
        export.write(file, bars)
        return Written(export.size_bytes)
    if codec is None and descriptor is not None and is_readable(descriptor):
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
        export.write(file, bars)
        return Written(export.size_bytes, sha256_of(descriptor, start, export.size_bytes))
    measuring = Measuring(file, hashes=checksum)
    with compressed(measuring, codec) as sink:
        export.write(sink, bars)
    return Written(measuring.size_bytes, measuring.sha256)


def report(written: Written, output: str | None, *, quiet: bool) -> None:
    """Print the checksum if it was asked for, and on a terminal the size.

    Args:
        written: What was written.
        output: The name of the archive; None or ``-`` for standard output.
        quiet: Whether to leave out the size.
    """
    to_stdout = output in (None, "-")
    if written.sha256 is not None:
        # The form of sha256sum, so that `sha256sum --check` reads it.
        render.line(f"{written.sha256}  {'-' if to_stdout else output}", err=to_stdout)
    if not quiet and sys.stderr is not None and sys.stderr.isatty():
        name = "standard output" if to_stdout else output
        render.line(f"Saved {human_size(written.size_bytes)} to {name}", err=True)


def codec_of(path: Path | None, compress: str | None) -> str | None:
    """Return the codec of the archive: the one that was asked for, else that of the file's name.

    Args:
        path: The file; None for standard output.
        compress: The value of ``--compress``.

    Raises:
        click.UsageError: The name contradicts ``--compress``, or stands for another form.
    """
    name = "" if path is None else path.name.lower()
    other = next((form for ending, form in _OTHER_ENDINGS.items() if name.endswith(ending)), None)
    if other is not None:
        raise click.UsageError(
            f"cannot write {name!r}: its name means {other}, and archives are written plain or"
            " compressed with gzip or zstd. Choose a name such as x.tar, x.tar.gz or x.tar.zst"
        )
    by_name = next((codec for ending, codec in _ENDINGS.items() if name.endswith(ending)), None)
    if compress is None:
        return by_name
    if by_name not in (None, compress):
        raise click.UsageError(
            f"--compress {compress} contradicts the name {name!r}: it is {by_name}"
        )
    return None if compress == "none" else compress
