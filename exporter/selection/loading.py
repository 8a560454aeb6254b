"""Manifests and indexes as they are read for a save, and the walks over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, manifests
from store.catalog import repositories as registry
from store.errors import InvalidDocument
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.model.contents import ContentState
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection

    from exporter.selection.roots import SavedRoot
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.references import Repository

    Read = Callable[[Sources], bytes]

ATTESTED: Final = "vnd.docker.reference.digest"
"""Annotation in an index on an attestation: the digest of the manifest that it is about (BuildKit, attestation-storage.md)."""


@final
@dataclass(slots=True)
class Loading:
    """Documents that have been read.

    ``read`` gives the bytes of a small content; what the repository ``within`` does not hold is not
    here, if there is one.
    """

    connection: Connection
    read: Read
    within: Repository | None = None
    documents: dict[Digest, Document] = field(default_factory=dict)

    def descend(self, digests: Iterable[Digest]) -> None:
        """Read ``digests`` and every document below them that is here, a level at a time.

        Raises DamagedContent.
        """
        wanted = [digest for digest in dict.fromkeys(digests) if digest not in self.documents]
        while wanted:
            types = manifests.media_types(
                self.connection,
                (
                    wanted
                    if self.within is None
                    else registry.held(self.connection, self.within, wanted)
                ),
            )
            sources = content.sources(self.connection, types)
            below: dict[Digest, None] = {}
            for digest, media_type in types.items():
                document = Document.parse(
                    self.read(sources[digest]), digest=digest, media_type=media_type
                )
                self.documents[digest] = document
                below.update(
                    dict.fromkeys(link.digest for link in document.children if link.is_document)
                )
            wanted = [digest for digest in below if digest not in self.documents]

    def below(self, digest: Digest) -> set[Digest]:
        """``digest`` and every document that it reaches, of those that are here."""
        seen: set[Digest] = set()
        todo = [digest]
        while todo:
            current = todo.pop()
            if current in self.documents and current not in seen:
                seen.add(current)
                todo.extend(link.digest for link in self.documents[current].children)
        return seen

    def config(self, document: Document) -> ImageConfig | None:
        """The config of a manifest that describes an image; None for anything else."""
        link = document.config
        if link is None or not document.claims_image:
            return None
        sources = content.sources(self.connection, (link.digest,)).get(link.digest)
        if sources is None or sources.state is not ContentState.PRESENT:
            return None
        try:
            config = ImageConfig.parse(self.read(sources), digest=link.digest)
        except InvalidDocument:
            return None
        return config if len(config.diff_ids) == len(document.layers) else None

    def platform(self, document: Document) -> Platform | None:
        """What a manifest's config says it is made for; None for what is no image."""
        config = self.config(document)
        return None if config is None else platform_of(config)


def platform_of(config: ImageConfig) -> Platform:
    """What an image is made for."""
    return Platform.of(config.os or "linux", config.architecture, config.variant, config.os_version)


def ordered(
    documents: Mapping[Digest, Document], roots: Iterable[SavedRoot]
) -> dict[Digest, Document]:
    """What is pointed at before what points at it."""
    found: dict[Digest, Document] = {}

    def visit(digest: Digest) -> None:
        if digest in documents and digest not in found:
            for link in documents[digest].children:
                visit(link.digest)
            found.setdefault(digest, documents[digest])

    for root in roots:
        visit(root.digest)
    for digest in documents:
        visit(digest)
    return found
