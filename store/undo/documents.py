"""The bytes of removed documents, read for the transaction that needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.catalog import content
from store.errors import IntegrityError, Unavailable
from store.model.contents import ContentState
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.model.digests import Digest
    from store.workspace.workspace import Workspace


@final
class Documents:
    """Reads manifests and configs, verified.

    Args:
        workspace: The opened store.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def read(self, connection: Connection, digest: Digest) -> bytes | None:
        """Return the bytes of a document; None if they are gone, damaged or no small document.

        Args:
            connection: An open transaction that knows where the bytes are.
            digest: The digest of the document.
        """
        found = content.sources(connection, (digest,)).get(digest)
        if (
            found is None
            or found.state is not ContentState.PRESENT
            or found.size_bytes > DEFAULT_LIMITS.inline_bytes
        ):
            return None
        try:
            with self._workspace.reader() as reader:
                return b"".join(reader.chunks(found))
        except (IntegrityError, Unavailable):
            return None
