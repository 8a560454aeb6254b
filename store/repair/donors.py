"""Donors: places that may have the bytes of lost content, and what they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from store.importing.staging import Staged, Stager
    from store.model.digests import Digest
    from store.model.limits import Limits
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """The content whose bytes are lost.

    Attributes:
        exact: Digests whose very bytes are wanted, such as configs, manifests and pushed blobs.
        diffs: Digests of content that may come in any encoding, such as layers.
    """

    exact: frozenset[Digest] = frozenset()
    diffs: frozenset[Digest] = frozenset()

    @property
    def every(self) -> frozenset[Digest]:
        """All digests that are wanted."""
        return self.exact | self.diffs


class Donor(Protocol):
    """A place that may have the bytes of lost content. Its bytes are verified by the caller.

    Content that a donor does not have, or cannot read, is None. A donor that cannot be used at all
    raises StoreError when it is opened.
    """

    @property
    def name(self) -> str:
        """What the user calls the donor."""

    def document(self, digest: Digest) -> bytes | None:
        """Return the bytes of a config, manifest or index."""

    def blob(self, digest: Digest) -> Staged | None:
        """Stage the bytes of a digest. If they are a compressed layer, they are decoded as well."""

    def diff(self, digest: Digest) -> Staged | None:
        """Stage a layer whose decoded bytes have the digest, in any encoding."""


class DonorSource(Protocol):
    """A donor that is neither an archive nor a store, such as a registry."""

    def open(
        self, workspace: Workspace, stager: Stager, limits: Limits, progress: Progress
    ) -> AbstractContextManager[Donor]:
        """Open the donor. The block ends after its content was published.

        Args:
            workspace: The store that is repaired.
            stager: Stages the content that the donor brings.
            limits: Ceilings for documents and layers.
            progress: Receives the progress of each content.

        Raises:
            StoreError: The donor cannot be used.
        """
