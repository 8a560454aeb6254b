"""Pending manifests in the catalogue of a store: all processes share them, also after a restart."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, final

from remote.through.pending import MAX_BYTES, MAX_DOCUMENTS
from store.catalog.upstream import pending
from store.catalog.upstream.pending import PendingManifest
from store.db.database import Durability
from store.formats.image.manifests import Document

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest
    from store.model.references import Reference, Repository
    from store.workspace.workspace import Workspace

KEPT_FOR: Final = timedelta(days=7)
"""How long a manifest stays of which nobody has fetched all blobs."""

_PUTS_PER_PRUNE: Final = 64
_WRITER: Final = "pull-through"


class Loaded(NamedTuple):
    """A manifest that a process of the server has served.

    Attributes:
        number: The number of its row.
        document: The manifest or index.
        tag: The tag that names it; None for no tag.
    """

    number: int
    document: Document
    tag: str | None


@final
class PendingRows:
    """The pending manifests of a store. Threads call its methods.

    Args:
        workspace: The opened store.
        now: Returns the current time.
    """

    def __init__(self, workspace: Workspace, now: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._now = now
        self._puts = itertools.count()

    def add(
        self, repository: Repository, document: Document, tag: str | None, etag: str = ""
    ) -> None:
        """Remember a manifest that was served.

        Args:
            repository: The repository that was asked for it.
            document: The manifest or index.
            tag: The tag that was asked for; None for a digest.
            etag: The entity tag of the answer; empty if there was none.

        Raises:
            Unavailable: The catalogue cannot be written.
        """
        now = self._now()
        row = PendingManifest(document.digest, document.media_type, document.data, tag, etag, now)
        # A client waits. What a power cut undoes is fetched again.
        with self._workspace.write(_WRITER, Durability.SOON) as connection:
            number = pending.put(connection, repository, row)
            if next(self._puts) % _PUTS_PER_PRUNE == 0:
                pending.prune(
                    connection,
                    number,
                    most=MAX_DOCUMENTS,
                    max_bytes=MAX_BYTES,
                    before=now - KEPT_FOR,
                )

    def since(self, repository: Repository, number: int) -> list[Loaded]:
        """Return the manifests of a repository that were remembered after another one.

        Args:
            repository: The repository.
            number: The number of the other one's row; 0 for all manifests.
        """
        with self._workspace.read() as connection:
            rows = pending.since(connection, repository, number)
        return [Loaded(key, _document(row), row.tag) for key, row in rows]

    def of_tag(self, name: Reference) -> tuple[Document, datetime] | None:
        """Return the manifest that a tag was last seen to name, and when; None for none.

        Args:
            name: The repository and the tag.
        """
        with self._workspace.read() as connection:
            row = pending.of_tag(connection, name)
        return None if row is None else (_document(row), row.asked_at)

    def holds(self, repository: Repository, digest: Digest) -> bool:
        """Return whether a manifest is pending still: no process has published it.

        Args:
            repository: The repository.
            digest: The digest of the manifest.
        """
        with self._workspace.read() as connection:
            return pending.tag_of(connection, repository, digest) is not None

    def etag(self, connection: Connection, name: Reference, digest: Digest) -> str | None:
        """Return the entity tag of a manifest, in the transaction that sets its tag.

        Args:
            connection: The transaction.
            name: The repository and the tag.
            digest: The digest of the manifest or index.

        Returns:
            The entity tag, which may be empty; None if the tag was seen to name something else
            since then.
        """
        found = pending.tag_of(connection, name.repository, digest)
        return found[1] if found is not None and found[0] == name.tag else None

    def remove(self, connection: Connection, repository: Repository, digest: Digest) -> None:
        """Forget a manifest, in the transaction that publishes it.

        Args:
            connection: The transaction.
            repository: The repository.
            digest: The digest of the manifest. An index stays: it may lead to other manifests.
        """
        pending.remove(connection, repository, digest)


def _document(row: PendingManifest) -> Document:
    return Document.parse(row.data, digest=row.digest, media_type=row.media_type)
