"""What the store answers: frozen values, with no way back into the database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from store.model.digests import Digest


class ContentState(StrEnum):
    """Whether the bytes behind a digest can be had."""

    PRESENT = "present"
    ABSENT = "absent"
    DAMAGED = "damaged"


class DiffState(StrEnum):
    """Whether the layers of an image were seen to have its diff IDs."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"


@final
@dataclass(frozen=True, slots=True)
class StoredEncoding:
    """One file or document from which a diff can be had."""

    digest: Digest
    codec: str
    size_bytes: int
    seekable: bool


@final
@dataclass(frozen=True, slots=True)
class Sources:
    """Where the bytes of one content can be had: inline, in a file of their own, or by decoding others (cheapest first)."""

    digest: Digest
    size_bytes: int
    state: ContentState
    inline: bytes | None
    in_file: bool
    encodings: tuple[StoredEncoding, ...]
