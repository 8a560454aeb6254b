"""What the store has already, and so is not fetched: tags, documents and blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.catalog import content, references
from store.errors import DamagedContent
from store.model.contents import ContentState
from store.workspace import soundness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from store.catalog.references import TagTarget
    from store.model.digests import Digest
    from store.model.references import Reference
    from store.workspace.workspace import Workspace


@final
class HeldContent:
    """Look-ups in one store. Content whose file is missing or damaged counts as absent.

    Args:
        workspace: The opened store.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def tag(self, name: Reference) -> TagTarget | None:
        """Return what a tag names in the store; None if the store does not have the tag."""
        with self._workspace.read() as connection:
            return references.get(connection, name)

    def holds(self, name: Reference) -> bool:
        """Return whether the repository of a name holds the digest of the name."""
        if name.digest is None:
            return False
        with self._workspace.read() as connection:
            return references.holds(connection, name.repository, name.digest) is not None

    def document(self, digest: Digest) -> bytes | None:
        """Return a document that the store has in its catalogue; None if it does not have it.

        A document that is damaged counts as absent.
        """
        try:
            return self._workspace.document(digest)
        except DamagedContent as exc:
            self._workspace.report_damage(exc)
            return None

    def present(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return the digests whose bytes the store has and can read."""
        wanted = list(digests)
        with self._workspace.read() as connection:
            known = {
                digest
                for digest, one in content.find(connection, wanted).items()
                if one.state is ContentState.PRESENT
            }
        if not known or self._workspace.read_only:
            return frozenset(known)
        return frozenset(known) - soundness.unsound(self._workspace, known)

    def unknown(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return the digests that the catalogue does not have in any state.

        Args:
            digests: The digests to look up.
        """
        wanted = frozenset(digests)
        with self._workspace.read() as connection:
            return wanted - content.find(connection, wanted).keys()

    def pieces(self, digest: Digest) -> Iterator[bytes] | None:
        """Return the stored bytes of a blob, verified as they are read; None if it is absent.

        Args:
            digest: The digest of the blob.

        Raises:
            DamagedContent: The stored bytes are wrong; raised while the bytes are read.
        """
        if digest not in self.present((digest,)):
            return None
        return self._read(digest)

    def _read(self, digest: Digest) -> Iterator[bytes]:
        with self._workspace.reader() as reader:
            yield from reader.chunks(self._workspace.sources((digest,))[digest])
