"""Recognise a store that was copied while it was in use, when the copy is first opened.

A file in the root records which folder and which database file were last opened together. In a copy
both are other files, so the first process that opens the copy to write compares the catalogue with
the content: the newest blobs, and a sample of the files. A store that was moved, or restored from a
snapshot, passes in a few milliseconds and is recorded. A warning states only what was found.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from store.errors import Conflict, StoreError
from store.files.creation import NO_FOLLOW, create_file

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from store.blobs.directory import DirectoryBlobs
    from store.db.database import Database
    from store.model.digests import Digest

logger = logging.getLogger(__name__)

PLACE: Final = "store.db.place"
"""The file with the inode numbers of the root and of the database file."""

NEWEST: Final = 1000
"""How many of the newest blobs are looked up."""

SAMPLE: Final = 2000
"""How many files are looked up in the catalogue."""

SETTLED_S: Final = 60
"""The age in seconds of a file that no running import is about to enter in the catalogue."""

_PLACE_BYTES: Final = 100


def examine(
    root: Path, database: Database, blobs: DirectoryBlobs, name: str, now: datetime
) -> None:
    """Look at a store that is opened at another place than before; warn if it is not whole.

    Args:
        root: The store's folder.
        database: The catalogue, open to write.
        blobs: The files of the store.
        name: The name of the database file.
        now: The current time, in UTC.

    Raises:
        Conflict: The database file is a hard link to that of another store.
    """
    try:
        folder, file = root.stat(), (root / name).stat()
    except OSError:
        # The caller finds out why.
        return
    place = _place(folder, file)
    before = _recorded(root)
    if before == place:
        return
    if before is not None and file.st_nlink > 1 and before.split()[1:] == place.split()[1:]:
        raise Conflict(
            f"cannot use the store at {root}: {name} is a hard link to the file of another store,"
            " as `cp -l` makes it; changes of one store would damage the other",
            hint=f"copy {name} to another name, and rename the copy to {name}",
        )
    with suppress(StoreError, OSError):
        if _is_whole(root, database, blobs, now):
            _record(root, place)


def accept(root: Path, name: str) -> None:
    """Record where a store is whose files and catalogue the caller has compared itself.

    Args:
        root: The store's folder.
        name: The name of the database file.
    """
    # If this fails, the next program that opens the store looks at it.
    with suppress(StoreError, OSError):
        _record(root, _place(root.stat(), (root / name).stat()))


def _place(folder: os.stat_result, file: os.stat_result) -> bytes:
    return f"{folder.st_ino} {file.st_ino}\n".encode()


def _is_whole(root: Path, database: Database, blobs: DirectoryBlobs, now: datetime) -> bool:
    """Compare the catalogue with the files, and warn of what is missing."""
    from store.blobs.directory import BLOBS  # noqa: PLC0415
    from store.catalog import content  # noqa: PLC0415 - only after a move or a copy
    from store.catalog.batches import batches  # noqa: PLC0415
    from store.catalog.lists import stored_files  # noqa: PLC0415

    def with_rows(digests: list[Digest]) -> set[Digest]:
        with database.read() as unit:
            return {one for some in batches(digests) for one in content.with_blob_rows(unit, some)}

    def is_missing(digest: Digest) -> bool:
        return blobs.size(blobs.location(digest)) is None

    with database.read() as unit:
        newest = stored_files.newest_files(unit, NEWEST)
    # A collection may remove rows and files, and an import may add them, at the same time.
    missing = [one for one in with_rows(list(filter(is_missing, newest))) if is_missing(one)]
    found = [blobs.digest(location) for location in islice(blobs.locations(), SAMPLE)]
    known = with_rows(found)
    since = now.timestamp() - SETTLED_S
    unknown = [
        one
        for one in found
        if one not in known and (root / BLOBS / blobs.location(one)).stat().st_mtime < since
    ]
    if missing:
        logger.warning(
            "the store at %s is not whole: %d of its newest %d files are missing. If the folder is"
            " a copy, it was made while the store was in use: check the store to list the images"
            " that are affected, or make a backup of the original and restore it here",
            root,
            len(missing),
            len(newest),
        )
    if unknown:
        logger.warning(
            "the catalogue of the store at %s lacks %d of the %d files that were looked up. If the"
            " folder is a copy, its catalogue is older than its content, and images are missing:"
            " make a backup of the original and restore it here. Otherwise, collect garbage to set"
            " the files aside",
            root,
            len(unknown),
            len(found),
        )
    return not missing and not unknown


def _recorded(root: Path) -> bytes | None:
    try:
        descriptor = os.open(root / PLACE, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    except OSError:
        return None
    try:
        return os.read(descriptor, _PLACE_BYTES)
    finally:
        os.close(descriptor)


def _record(root: Path, place: bytes) -> None:
    partial = root / f"{PLACE}.{os.getpid()}"
    with suppress(FileNotFoundError):
        partial.unlink()
    descriptor = create_file(partial)
    try:
        os.write(descriptor, place)
    finally:
        os.close(descriptor)
    partial.replace(root / PLACE)
