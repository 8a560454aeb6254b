"""Stored content as values: its state, its locations and its forms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from store.model.digests import Digest


class Codec(StrEnum):
    """The compression of a stored content; the values are those of the catalogue."""

    IDENTITY = "identity"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"


class ContentState(StrEnum):
    """Whether the bytes behind a digest can be read."""

    PRESENT = "present"
    """They are stored."""

    ABSENT = "absent"
    """The digest is known and the bytes are not stored, like those of a foreign layer."""

    DAMAGED = "damaged"
    """The stored bytes were found missing or wrong, and are never served again."""


class DiffState(StrEnum):
    """Whether the layers of a pushed image were decoded and compared with its diff IDs."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"


@final
@dataclass(frozen=True, slots=True)
class StoredEncoding:
    """A stored blob that decodes to a content.

    ``size_bytes`` is the size of the blob. A ``seekable`` one ends with a zstd seek table, so that
    parts of the content can be decoded alone.
    """

    digest: Digest
    codec: Codec
    size_bytes: int
    seekable: bool


@final
@dataclass(frozen=True, slots=True)
class Sources:
    """The forms in which the bytes of one content are stored.

    Attributes:
        digest: The digest of the content itself.
        size_bytes: The size of the content itself.
        state: Whether the bytes can be read.
        inline: The bytes, if the catalogue holds them.
        in_file: Whether a blob holds exactly these bytes.
        encodings: Blobs that decode to these bytes, the cheapest to decode first.
    """

    digest: Digest
    size_bytes: int
    state: ContentState
    inline: bytes | None
    in_file: bool
    encodings: tuple[StoredEncoding, ...]
