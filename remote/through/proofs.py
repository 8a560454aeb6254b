"""What the registries of repositories are known to have.

A manifest can list any digest, and a client can know the digest of content that it may not read.
So a blob that another repository has brought is served only after the registry of this repository
has said that it has the blob too.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from store.model.digests import Digest
    from store.model.references import Repository

MAX_PROOFS: Final = 65536
"""The most proofs that one process keeps; a forgotten one costs a short request."""


@final
class Proofs:
    """The blobs that were asked for at the registries of repositories, and are there.

    Args:
        most: The most proofs that are kept.
    """

    def __init__(self, most: int = MAX_PROOFS) -> None:
        self._most = most
        self._known: OrderedDict[tuple[Repository, Digest], None] = OrderedDict()

    def add(self, repository: Repository, digest: Digest) -> None:
        """Note that the registry of a repository has a blob.

        Args:
            repository: The repository.
            digest: The digest of the blob.
        """
        self._known[repository, digest] = None
        self._known.move_to_end((repository, digest))
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def has(self, repository: Repository, digest: Digest) -> bool:
        """Return whether the registry of a repository is known to have a blob.

        Args:
            repository: The repository.
            digest: The digest of the blob.
        """
        return (repository, digest) in self._known
