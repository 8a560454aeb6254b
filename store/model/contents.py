"""Values that describe stored content: whether it is present, and in which forms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from store.model.digests import Digest


class Codec(StrEnum):
    """How stored bytes are compressed; the catalogue stores these values."""

    IDENTITY = "identity"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"


class ContentState(StrEnum):
    """Whether the bytes behind a digest can be read."""

    PRESENT = "present"
    """The bytes are stored."""

    ABSENT = "absent"
    """The digest is known but the bytes are not stored, for example those of a foreign layer."""

    DAMAGED = "damaged"
    """The stored bytes were read and are wrong. They are not served until they are replaced."""


class DiffState(StrEnum):
    """The result of comparing a pushed image's layers with the diff IDs in the image's config."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"


@final
@dataclass(frozen=True, slots=True)
class StoredEncoding:
    """A stored blob that decodes to other content, such as a compressed layer.

    Attributes:
        digest: The digest of the blob.
        codec: How the blob is decoded.
        size_bytes: The size of the blob.
        seekable: Whether parts of the content can be decoded alone: the blob ends with a zstd seek
            table, which was compared with the frames.
        is_ours: Whether this store made the blob from verified bytes. If so, a correct digest of
            the blob proves that the blob decodes to the right content. Every other blob is foreign.
            Content that is decoded as a whole from a foreign blob is hashed.
        is_checked: Whether the whole blob was once decoded, in the same way as by readers, and the
            result had the digest of the content.
    """

    digest: Digest
    codec: Codec
    size_bytes: int
    seekable: bool
    is_ours: bool = False
    is_checked: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether a part of the content may be decoded without the rest of it."""
        return self.is_ours or self.is_checked


@final
@dataclass(frozen=True, slots=True)
class Sources:
    """The forms in which the bytes of one digest are stored.

    Attributes:
        digest: The digest of the decoded bytes.
        size_bytes: The number of decoded bytes.
        state: Whether the bytes can be read.
        inline: The bytes, if the catalogue holds them.
        in_file: Whether a blob holds exactly these bytes.
        encodings: Blobs that decode to these bytes. Blobs that this store encoded come first, then
            blobs that it has checked. Within each group, blobs that are cheap to decode come first.
    """

    digest: Digest
    size_bytes: int
    state: ContentState
    inline: bytes | None
    in_file: bool
    encodings: tuple[StoredEncoding, ...]

    @property
    def is_stored(self) -> bool:
        """Whether the bytes are stored in any form."""
        return self.inline is not None or self.in_file or bool(self.encodings)

    @property
    def is_decoded(self) -> bool:
        """Whether the bytes are obtained by decoding a blob."""
        return self.inline is None and not self.in_file and bool(self.encodings)

    @property
    def is_foreign(self) -> bool:
        """Whether the bytes are decoded from a blob that this store has not encoded."""
        return self.is_decoded and not self.encodings[0].is_ours

    @property
    def is_proven(self) -> bool:
        """Whether a part of the bytes may be read without the rest of them."""
        return not self.is_decoded or self.encodings[0].is_proven
