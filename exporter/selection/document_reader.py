"""The reader of manifests, indexes and configs for one save: each is parsed once, within ceilings.

A save selects its images twice: once to know what to lease, and again under the lease. The bytes of
a digest never change, so the second selection uses the documents that the first one parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, final

from store.catalog.documents import document_bytes
from store.errors import TooLarge
from store.formats.image.config import ImageConfig
from store.formats.image.described_image import parse_config
from store.formats.image.manifests import Document
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from store.formats.image.described_image import ParsedConfig
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.limits import ArchiveLimits, Limits

    Read: TypeAlias = Callable[[Sources], bytes]
    Check: TypeAlias = Callable[[], None]


def keep_going() -> None:
    """Do nothing: the check of a save that nobody can end early."""


@final
class DocumentReader:
    """A reader of manifests, indexes and configs for one save.

    Args:
        read: Returns the bytes of a stored manifest, index or config.
        check: Called before each document and each image; an exception that it raises ends the
            save.
        ceilings: What the save may read; None for no ceilings.
    """

    def __init__(
        self,
        read: Read,
        *,
        check: Check = keep_going,
        ceilings: ArchiveLimits | None = None,
    ) -> None:
        self.check = check
        self.ceilings = ceilings
        self._read = read
        self._manifests: dict[tuple[Digest, str], Document] = {}
        self._configs: dict[Digest, ParsedConfig] = {}
        self._read_bytes = 0
        self._names = 0

    def manifest(self, sources: Sources, media_type: str, limits: Limits) -> Document:
        """Return a manifest or index.

        Args:
            sources: Where the bytes are stored.
            media_type: The media type that the catalogue has for the digest.
            limits: The ceilings of the document.

        Raises:
            DamagedContent: The bytes do not have their digest.
            TooLarge: The save has read more than its ceilings allow.
        """
        key = (sources.digest, media_type)
        if key not in self._manifests:
            data = self._counted(sources)
            self._manifests[key] = Document.parse(
                data, digest=sources.digest, media_type=media_type, limits=limits
            )
            self.require_manifests(len(self._manifests))
        return self._manifests[key]

    def config(self, sources: Sources) -> ParsedConfig:
        """Return the config of an image, or why the bytes are not a config.

        Raises:
            DamagedContent: The bytes do not have their digest.
            TooLarge: The save has read more than its ceilings allow.
        """
        if sources.digest not in self._configs:
            self._configs[sources.digest] = parse_config(
                self._counted(sources), DEFAULT_LIMITS, sources.digest
            )
        return self._configs[sources.digest]

    def image_config(self, sources: Sources) -> ImageConfig:
        """Return the config of an image that the catalogue has.

        Raises:
            DamagedContent: The bytes do not have their digest.
            InvalidDocument: The bytes are not a config.
            TooLarge: The save has read more than its ceilings allow.
        """
        known = self._configs.get(sources.digest)
        if not isinstance(known, ImageConfig):
            known = ImageConfig.parse(self._counted(sources), digest=sources.digest)
            self._configs[sources.digest] = known
        return known

    def require_images(self, count: int) -> None:
        """Raise unless an archive may have this many images, or names that stand for images.

        Raises:
            TooLarge: The archive would have more images than its ceilings allow.
        """
        if self.ceilings is not None and count > self.ceilings.images:
            raise _too_many("images", self.ceilings.images)

    def count_names(self, count: int) -> None:
        """Count tags, digests and image IDs that the names of one selection mean.

        Raises:
            TooLarge: The names mean more than the ceilings allow.
        """
        self._names += count
        if self.ceilings is not None and self._names > self.ceilings.names:
            raise _too_many("names", self.ceilings.names)

    def start_selection(self) -> None:
        """Start a selection: set the count of names to zero, and keep the documents."""
        self._names = 0

    def require_manifests(self, count: int) -> None:
        """Raise unless the names of an archive may lead to this many manifests and indexes.

        Raises:
            TooLarge: There are more manifests and indexes than the ceilings allow.
        """
        if self.ceilings is not None and count > self.ceilings.manifests:
            raise _too_many("manifests and indexes", self.ceilings.manifests)

    def require_layers(self, count: int) -> None:
        """Raise unless an archive may have this many layers, counted for each image.

        Raises:
            TooLarge: The archive would have more layers than its ceilings allow.
        """
        if self.ceilings is not None and count > self.ceilings.layers:
            raise _too_many("layers", self.ceilings.layers)

    def require_small(self, connection: Connection, digests: Iterable[Digest]) -> None:
        """Raise unless the documents among ``digests`` fit into memory together.

        Call this before the bytes of many digests are loaded from the database.

        Args:
            connection: A read transaction.
            digests: Digests of documents or blobs.

        Raises:
            TooLarge: The documents are larger than the ceilings allow.
        """
        if self.ceilings is not None:
            self.check()
            if document_bytes(connection, digests) > self.ceilings.document_bytes:
                raise self._too_much()

    @property
    def max_tags(self) -> int | None:
        """How many tags of one repository are worth reading: one more than is allowed."""
        return None if self.ceilings is None else self.ceilings.names + 1

    def _counted(self, sources: Sources) -> bytes:
        self._read_bytes += sources.size_bytes
        if self.ceilings is not None and self._read_bytes > self.ceilings.document_bytes:
            raise self._too_much()
        self.check()
        return self._read(sources)

    def _too_much(self) -> TooLarge:
        limit = 0 if self.ceilings is None else self.ceilings.document_bytes
        return TooLarge(
            "cannot make the archive: its manifests and configs have more than"
            f" {limit} bytes together",
            limit=limit,
            hint="ask for fewer images",
        )


def _too_many(things: str, limit: int) -> TooLarge:
    return TooLarge(
        f"cannot make the archive: it would have more than {limit} {things}",
        limit=limit,
        hint="ask for fewer images",
    )
