"""What an archive claims: values only; nothing here has been checked against bytes yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.documents import ImageConfig
    from store.values import DiffID, Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class ImageClaim:
    """One image an archive says it holds.

    ``layers`` are paths inside the archive, base first, one for each diff ID of the config (None: the archive says nothing). ``tags`` are as written.
    ``sources`` are descriptors of foreign layers, as JSON bytes. ``listed`` is False for an image that exists only because another one is built on it.
    """

    config: ImageConfig
    layers: tuple[str | None, ...]
    tags: tuple[str, ...]
    parent: ImageID | None
    sources: Mapping[DiffID, bytes]
    listed: bool = True


@final
@dataclass(frozen=True, slots=True)
class ArchiveClaim:
    """Everything an archive says it holds. ``digest`` is of the bytes that say so (manifest.json or repositories)."""

    digest: Digest
    images: tuple[ImageClaim, ...]
    notes: tuple[str, ...] = ()
