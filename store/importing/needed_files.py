"""The staged files of an import that the store still lacks when the import is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content, encodings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.importing.archive import ReadArchive
    from store.importing.staging import Staged


def still_needed(connection: Connection, archive: ReadArchive) -> list[tuple[Staged, bool]]:
    """Return each staged file that the store lacks, and whether the file is a layer.

    Args:
        connection: An open transaction.
        archive: The archive, read and staged.
    """
    diffs = content.present(
        connection,
        (
            *(diff.digest for diff in archive.layers),
            *(staged.diff.digest for staged in archive.blobs.values()),
        ),
    )
    pairs = encodings.encoded(connection, archive.blobs)
    present = content.present(connection, (*archive.blobs, *archive.others))
    needed = [(staged, True) for diff, staged in archive.layers.items() if diff.digest not in diffs]
    for digest, staged in archive.blobs.items():
        # The decoded form of bzip2 and xz is stored too, because readers do not decode them.
        decodes = (
            (staged.diff.digest in diffs)
            if staged.original is not None
            else digest == staged.diff.digest or (digest, staged.diff.digest) in pairs
        )
        if digest not in present or not decodes:
            needed.append((staged, True))
            if staged.original is not None:
                needed.append((staged.original, False))
    needed += [
        (staged, False) for digest, staged in archive.others.items() if digest not in present
    ]
    return needed
