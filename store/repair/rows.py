"""The repair of rows that can be derived from documents and files, and of the indexes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, images, manifests
from store.catalog.batches import batches
from store.catalog.checking import rebuild
from store.catalog.collection import garbage
from store.errors import IntegrityError, InvalidInput, Unavailable, printable
from store.formats.compression.decoders import decoder
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.model.contents import ContentState
from store.model.digests import ImageID
from store.model.limits import DEFAULT_LIMITS, MIB
from store.workspace import engines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.maintenance.reports import Finding
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

DAMAGED_CATALOGUE: Final = "damaged-catalogue"
"""The kind of findings about the file of the database itself."""

_LIMITS: Final = replace(DEFAULT_LIMITS, manifest_entries=DEFAULT_LIMITS.json_values)
"""A store may hold longer lists than an import accepts today."""

_BATCH: Final = 100
"""How many documents are rebuilt in one transaction."""


@final
@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Rows that were written again.

    Attributes:
        table: The table; ``indexes`` for the indexes of the database.
        digest: The digest that the rows are about; None for the indexes.
    """

    table: str
    digest: Digest | None


@final
class Rows:
    """Writes rows again that a check has found wrong.

    Args:
        workspace: The store.
        findings: The findings of a check.
    """

    def __init__(self, workspace: Workspace, findings: Iterable[Finding]) -> None:
        self._workspace = workspace
        self._by_table: dict[str, set[Digest]] = {}
        self._has_damaged_indexes = False
        for one in findings:
            self._has_damaged_indexes |= one.kind == DAMAGED_CATALOGUE
            if one.table is not None and one.digest is not None:
                self._by_table.setdefault(one.table, set()).add(one.digest)

    def planned(self) -> list[Rebuilt]:
        """Return what `rebuild` tries to write again."""
        indexes = [Rebuilt("indexes", None)] if self._has_damaged_indexes else []
        return indexes + [
            Rebuilt(table, digest)
            for table in _TABLES
            for digest in sorted(self._by_table.get(table, ()), key=str)
        ]

    def rebuild(self) -> list[Rebuilt]:
        """Write the rows again; return what was written. Other rows stay as they are.

        Raises:
            Unavailable: The store cannot be written.
        """
        done: list[Rebuilt] = []
        if self._has_damaged_indexes:
            try:
                with self._workspace.write("repair") as connection:
                    engines.rebuild_indexes(connection)
                done.append(Rebuilt("indexes", None))
            except IntegrityError as exc:
                # The table itself is damaged, so the next check reports it again.
                logger.warning("cannot rebuild the indexes: %s", printable(exc.message))
        done += self._sizes(self._by_table.get("content", set()))
        documents = {
            digest
            for table in ("image", "label", "manifest", "manifest_edge")
            for digest in self._by_table.get(table, ())
        }
        if self._by_table.get("layer"):
            # A wrong row of a layer may be in the chain of any image.
            with self._workspace.read() as connection:
                documents.update(rebuild.all_images(connection))
        written = self._documents(documents)
        if self._by_table.get("layer"):
            with self._workspace.write("repair") as connection:
                garbage.delete_layers(connection, garbage.dead_layers(connection))
        done += [
            Rebuilt(table, digest)
            for table in ("layer", "image", "label", "manifest", "manifest_edge")
            for digest in sorted(self._by_table.get(table, ()), key=str)
            if table == "layer" or digest in written
        ]
        encoded = self._by_table.get("encoding", set())
        if encoded:
            with self._workspace.write("repair") as connection:
                for digest in encoded:
                    rebuild.distrust_encodings(connection, digest)
        return done + [Rebuilt("encoding", digest) for digest in sorted(encoded, key=str)]

    # --- documents --------------------------------------------------------------------------------

    def _documents(self, digests: set[Digest]) -> set[Digest]:
        written: set[Digest] = set()
        for some in batches(sorted(digests, key=str), _BATCH):
            found = {digest: data for digest in some if (data := self._bytes(digest)) is not None}
            with self._workspace.write("repair") as connection:
                keys = {one.digest: one.key for one in content.find(connection, found).values()}
                types = manifests.media_types(connection, found)
                for digest, data in found.items():
                    try:
                        if digest in types:
                            _write_manifest(connection, keys[digest], digest, data, types[digest])
                        else:
                            _write_image(connection, keys[digest], digest, data)
                    except InvalidInput as exc:
                        logger.warning("cannot rebuild %s: %s", digest, printable(exc.message))
                        continue
                    written.add(digest)
        return written

    def _bytes(self, digest: Digest) -> bytes | None:
        sources = self._workspace.sources((digest,)).get(digest)
        if sources is None or sources.state is ContentState.ABSENT:
            return None
        try:
            return self._workspace.read_whole(digest)
        except (IntegrityError, Unavailable):
            return None

    # --- sizes ------------------------------------------------------------------------------------

    def _sizes(self, digests: set[Digest]) -> list[Rebuilt]:
        sizes: dict[Digest, int] = {}
        for digest, sources in self._workspace.sources(digests).items():
            size = self._size(sources)
            if size is not None and size != sources.size_bytes:
                sizes[digest] = size
        if sizes:
            with self._workspace.write("repair") as connection:
                for digest, size in sizes.items():
                    rebuild.set_size(connection, digest, size)
        return [Rebuilt("content", digest) for digest in sorted(sizes, key=str)]

    def _size(self, sources: Sources) -> int | None:
        """Return the size of a content's bytes, whatever the catalogue says; None if unknown."""
        if sources.inline is not None:
            return len(sources.inline)
        if sources.in_file:
            return self._workspace.blobs.size(self._workspace.blobs.location(sources.digest))
        for one in sources.encodings:
            blob = self._workspace.blobs.open(self._workspace.blobs.location(one.digest))
            if blob is None:
                continue
            size = 0
            decode = decoder(one.codec, max_bytes=DEFAULT_LIMITS.layer_bytes)
            with blob:
                try:
                    while piece := blob.read(MIB):
                        size += sum(map(len, decode.feed(piece)))
                    return size + sum(map(len, decode.finish()))
                except InvalidInput:
                    continue
        return None


_TABLES: Final = ("content", "layer", "image", "label", "manifest", "manifest_edge", "encoding")
"""The tables whose rows can be derived."""


def _write_image(connection: Connection, key: ContentKey, digest: Digest, data: bytes) -> None:
    config = ImageConfig.parse(data, digest=digest)
    keys = content.ensure_all(
        connection,
        dict.fromkeys(diff.digest for diff in config.diff_ids),
        ContentState.ABSENT,
    )
    top = rebuild.ensure_chain(connection, [(diff, keys[diff.digest]) for diff in config.diff_ids])
    rebuild.set_image(connection, key, images.NewImage.of(config, top, verified=False))


def _write_manifest(
    connection: Connection, key: ContentKey, digest: Digest, data: bytes, media_type: str
) -> None:
    document = Document.parse(
        data, digest=digest, media_type=media_type, limits=_LIMITS, is_stored=True
    )
    targets = content.ensure_all(
        connection, dict.fromkeys(link.digest for link in document.links), ContentState.ABSENT
    )
    subject = document.subject
    rebuild.set_manifest(
        connection,
        key,
        kind=document.kind.value,
        artifact_type=document.effective_artifact_type or None,
        image_key=(
            None
            if document.config is None
            else images.key_of(connection, ImageID(document.config.digest))
        ),
        subject=(
            None
            if subject is None
            else content.ensure(connection, subject.digest, None, ContentState.ABSENT)
        ),
    )
    rebuild.replace_edges(
        connection, key, [manifests.Edge(link, targets[link.digest]) for link in document.links]
    )
    rebuild.set_labels(connection, key, document.annotations)
