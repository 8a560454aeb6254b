"""The frames of a stored encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from store.errors import CorruptStream, DamagedContent
from store.files.os_errors import translated
from store.formats.compression.seekable_zstd import FOOTER_BYTES, Frame, read_table, table_bytes
from store.model.limits import MIB
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from store.model.contents import StoredEncoding
    from store.model.digests import Digest


PIECE_BYTES: Final = 1 * MIB


_FRAME_CEILING: Final = 16 * MIB


def damaged(digest: Digest, why: str) -> DamagedContent:
    """The error for stored bytes that are no longer what they were."""
    return DamagedContent(
        f"stored content {digest} is damaged: {why}",
        digest=digest,
        hint="import an archive that holds this content to repair it",
        remedy=Remedy.CHECK_STORE,
    )


def frame_index(file: BinaryIO, stored: StoredEncoding) -> tuple[Frame, ...] | None:
    """The frames of a seekable file, the position left at its start.

    None when it has to be decoded as a stream.
    """
    with translated(str(stored.digest)):
        size = file.seek(0, 2)
        try:
            if not stored.seekable or size < FOOTER_BYTES:
                return None
            file.seek(-FOOTER_BYTES, 2)
            length = table_bytes(file.read(FOOTER_BYTES))
            if length is None or length > size:
                return None
            file.seek(-length, 2)
            frames = read_table(file.read(length), size)
        except CorruptStream:
            return None
        finally:
            file.seek(0)
    # Frames of our own making are a quarter of this; larger ones go the slow way, in pieces.
    return (
        frames
        if all(max(frame.content_bytes, frame.stored_bytes) <= _FRAME_CEILING for frame in frames)
        else None
    )
