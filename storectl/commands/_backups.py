"""The places of backups, and what is said about them, for `backup` and `restore`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from storectl.output import render
from storectl.output.units import human_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from store.backup.generation import Generation
    from store.backup.report import Fault

STANDARD: Final = "-"
_COMPRESSED: Final = (".gz", ".tgz", ".zst", ".tzst", ".bz2", ".tbz", ".xz", ".txz", ".lz4", ".zip")


def is_folder(place: str) -> bool:
    """Return whether a place stands for a folder of backups, and not for an archive.

    Args:
        place: What the user wrote; not ``-``.

    Raises:
        click.UsageError: The name is that of a compressed archive.
    """
    path = Path(place)
    if place.endswith("/") or path.is_dir():
        return True
    if path.name.lower().endswith(_COMPRESSED):
        raise click.UsageError(
            f"cannot use {place!r}: a backup is a plain tar, because its content is compressed"
            " already. Choose a name that ends with .tar, or a folder"
        )
    return not (path.name.lower().endswith(".tar") or path.exists())


@contextmanager
def opened_archive(place: str) -> Iterator[tuple[BinaryIO, bool]]:
    """Open an archive with a backup for reading.

    Args:
        place: The path, or ``-`` for standard input.

    Yields:
        The file, unbuffered, and whether data in it can be skipped.

    Raises:
        click.UsageError: Standard input is a terminal or closed.
        InvalidInput: There is no such file.
    """
    from store.files.os_errors import Whose, reading_input, translated  # noqa: PLC0415

    if place == STANDARD:
        if sys.stdin is None or sys.stdin.isatty():
            raise click.UsageError("cannot read a backup from a terminal: use a pipe, or name FILE")
        with translated("standard input", whose=Whose.INPUT):
            yield getattr(sys.stdin.buffer, "raw", sys.stdin.buffer), False
        return
    path = Path(place)
    with reading_input(path):
        file = path.open("rb", buffering=0)
    with file:
        yield file, path.is_file()


def generation_as_json(one: Generation) -> dict[str, Any]:
    """Return a generation as a JSON object."""
    return {
        "Generation": one.id,
        "Created": render.time(one.created),
        "Schema": one.schema,
        "Images": one.images,
        "Blobs": {"TotalCount": one.blobs, "Size": one.blob_bytes},
        "Missing": one.missing,
        "CatalogueSize": one.catalogue.size_bytes,
    }


def faults_as_json(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """Return faults as JSON objects."""
    return [
        {
            "Kind": one.kind.value,
            "Subject": one.subject,
            "Message": one.reason,
            "Images": list(one.images),
            "Generations": list(one.generations),
        }
        for one in faults
    ]


def show_faults(faults: Sequence[Fault], severity: str, *, err: bool = False) -> None:
    """Print a line for each fault.

    Args:
        faults: The faults.
        severity: The first word of each line.
        err: Whether to print on standard error.
    """
    for one in faults:
        lists = (
            ("affects", one.images),
            ("in generation" if len(one.generations) == 1 else "in generations", one.generations),
        )
        more = "".join(f" [{word} {', '.join(names)}]" for word, names in lists if names)
        render.line(f"{severity}: {one.subject}: {one.reason}{more}", err=err)


def blobs_and_size(count: int, size_bytes: int) -> str:
    """Return a number of blobs and their size, in words."""
    return f"{count} blob(s), {human_size(size_bytes, 4)}"
