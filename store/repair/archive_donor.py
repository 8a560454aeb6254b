"""An archive as a donor: every archive that `import` reads. Only its lost content is staged.

The archive is read as by an import into a store that has everything else. So all formats of an
import are understood, and nothing but the lost content is staged. Of a pipe, everything is staged.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, final

from store.errors import IntegrityError
from store.formats.archives.opening import open_source
from store.importing.archive import ArchiveInput
from store.importing.intake import read_archive
from store.importing.members.members import open_members
from store.importing.staging import Stager

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.formats.compression.settings import Compression
    from store.importing.archive import ReadArchive
    from store.importing.staging import Staged
    from store.importing.workers import Pool
    from store.model.digests import DiffID, Digest
    from store.model.limits import Limits
    from store.model.progress import Progress
    from store.repair.donors import Wanted
    from store.workspace.operations import Operation
    from store.workspace.workspace import Workspace


@final
class ArchiveDonor:
    """An archive that was read; implements `store.repair.donors.Donor`.

    Args:
        name: What the user calls the archive.
        archive: The archive; only lost content of it was staged.
    """

    def __init__(self, name: str, archive: ReadArchive) -> None:
        self.name = name
        self._documents = dict(_documents(archive))
        self._stored: dict[Digest, Staged] = {}
        self._diffs: dict[Digest, Staged] = {}
        for one in archive.staged():
            self._stored[one.stored.digest] = one
            if one.is_decoded:
                for digest in (one.diff.digest, *one.aliases):
                    self._diffs.setdefault(digest, one)
        for digest, one in archive.blobs.items():
            # A blob that was recoded is found under the digest that the manifest lists.
            if one.original is None and one.received.digest == digest:
                self._stored.setdefault(digest, one)

    def document(self, digest: Digest) -> bytes | None:
        """Return the bytes of a config, manifest or index of the archive."""
        return self._documents.get(digest)

    def blob(self, digest: Digest) -> Staged | None:
        """Return a staged file of the archive by the digest of its bytes."""
        return self._stored.get(digest)

    def diff(self, digest: Digest) -> Staged | None:
        """Return a staged layer of the archive by the digest of its decoded bytes."""
        return self._diffs.get(digest)


def _documents(archive: ReadArchive) -> Iterator[tuple[Digest, bytes]]:
    for image in archive.claim.images:
        yield image.config.image_id.digest, image.config.data
    for config in archive.claim.graph.configs.values():
        yield config.image_id.digest, config.data
    for digest, document in archive.claim.graph.documents.items():
        yield digest, document.data


@contextmanager
def open_archive(  # noqa: PLR0913 - the tools of an import
    source: Path | BinaryIO,
    name: str,
    wanted: Wanted,
    workspace: Workspace,
    *,
    operation: Operation,
    pool: Pool,
    compression: Compression,
    limits: Limits,
    progress: Progress,
) -> Iterator[ArchiveDonor]:
    """Read an archive, and stage what is wanted of it.

    Args:
        source: An archive file, a folder, or a stream.
        name: What the user calls the archive.
        wanted: The lost content.
        workspace: The store, for documents that the archive refers to and lacks.
        operation: The operation whose folder receives the files.
        pool: Hashes, encodes and syncs.
        compression: How to encode layers that arrive uncompressed.
        limits: Ceilings for documents, members and layers.
        progress: Receives the progress of each file.

    Raises:
        InvalidInput: The archive is damaged or exceeds a limit.
        Unavailable: The archive cannot be read.
    """
    with open_source(source, limits) as opened:
        progress.total(opened.size_bytes)
        stager = Stager(operation, pool, compression, limits, opened.outermost)
        members = open_members(opened, stager, limits, progress)
        archive = read_archive(
            ArchiveInput(members, stager, limits, _AllButWanted(workspace, wanted))
        )
        yield ArchiveDonor(name, archive)


@final
class _AllButWanted:
    """Says that the store has everything except lost content; see `Holdings` of an import."""

    def __init__(self, workspace: Workspace, wanted: Wanted) -> None:
        self._workspace = workspace
        self._wanted = wanted.every

    def diffs(self, wanted: Iterable[DiffID]) -> set[DiffID]:
        """Return the diffs that are not lost."""
        return {diff for diff in wanted if diff.digest not in self._wanted}

    def blobs(self, wanted: Iterable[Digest]) -> set[Digest]:
        """Return the digests that are not lost."""
        return {digest for digest in wanted if digest not in self._wanted}

    def layers(self, wanted: Iterable[tuple[Digest, DiffID]]) -> set[tuple[Digest, DiffID]]:
        """Return the pairs of which neither the blob nor the diff is lost."""
        return {
            (digest, diff)
            for digest, diff in wanted
            if digest not in self._wanted and diff.digest not in self._wanted
        }

    def document(self, digest: Digest) -> bytes | None:
        """Return a document of the store that is not lost; None if the store lacks it."""
        if digest in self._wanted:
            return None
        try:
            return self._workspace.document(digest)
        except IntegrityError:
            return None
