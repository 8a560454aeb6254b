"""Another store as a donor. It is only read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, final

from store.errors import IntegrityError, InvalidInput, NotFound
from store.importing.staging import Stager
from store.workspace.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.content.reader import Reader
    from store.formats.compression.settings import Compression
    from store.importing.staging import Staged
    from store.importing.workers import Pool
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.limits import Limits
    from store.model.progress import Progress
    from store.workspace.operations import Operation


@final
class StoreDonor:
    """Another store that is open for reading; implements `store.repair.donors.Donor`.

    Args:
        name: What the user calls the store.
        workspace: The other store.
        reader: Reads and verifies its bytes.
        stager: Stages them for the store that is repaired.
        progress: Receives the progress of each content.
    """

    def __init__(
        self, name: str, workspace: Workspace, reader: Reader, stager: Stager, progress: Progress
    ) -> None:
        self.name = name
        self._workspace = workspace
        self._reader = reader
        self._stager = stager
        self._progress = progress

    def document(self, digest: Digest) -> bytes | None:
        """Return the bytes of a config, manifest or index of the other store."""
        sources = self._workspace.sources((digest,)).get(digest)
        if sources is None or sources.is_decoded:
            return None
        try:
            return b"".join(self._reader.chunks(sources))
        except IntegrityError:
            return None

    def blob(self, digest: Digest) -> Staged | None:
        """Stage the bytes that the other store has under a digest itself."""
        sources = self._workspace.sources((digest,)).get(digest)
        if sources is None or not (sources.in_file or sources.inline is not None):
            return None
        return self._staged(replace(sources, encodings=()))

    def diff(self, digest: Digest) -> Staged | None:
        """Stage a content of the other store, decoded from whatever it has."""
        sources = self._workspace.sources((digest,)).get(digest)
        return None if sources is None else self._staged(sources)

    def _staged(self, sources: Sources) -> Staged | None:
        key = str(sources.digest)
        self._progress.start(key, sources.digest.short, sources.size_bytes)
        try:
            return self._stager.layer(
                iter(self._reader.chunks(sources)),
                key,
                lambda size: self._progress.advance(key, size),
                algorithm=sources.digest.algorithm,
                keep_original=True,
            )
        except (IntegrityError, InvalidInput, NotFound):
            # The donor is damaged as well, or exceeds a ceiling.
            return None
        finally:
            self._progress.finish(key)


def is_store(path: Path) -> bool:
    """Return whether a path is the root of a store.

    Args:
        path: A path that the user gave.
    """
    return path.is_dir() and (path / "store.db").is_file() and (path / "blobs").is_dir()


@contextmanager
def open_store(
    root: Path,
    name: str,
    workspace: Workspace,
    *,
    operation: Operation,
    pool: Pool,
    compression: Compression,
    limits: Limits,
    progress: Progress,
) -> Iterator[StoreDonor]:
    """Open another store for reading.

    Args:
        root: The root of the other store.
        name: What the user calls it.
        workspace: The store that is repaired.
        operation: The operation whose folder receives the files.
        pool: Hashes, encodes and syncs.
        compression: How to encode layers.
        limits: Ceilings for layers.
        progress: Receives the progress of each content.

    Raises:
        InvalidInput: It is the store that is repaired.
        StoreError: The other store cannot be opened.
    """
    if root.resolve() == workspace.root.resolve():
        raise InvalidInput(
            f"invalid source {name!r}: it is the store that is to be repaired",
            hint="name an archive, a backup or another store",
        )
    with (
        Workspace.open(root, read_only=True, clock=workspace.now) as other,
        other.reader() as reader,
    ):
        stager = Stager(operation, pool, compression, limits)
        yield StoreDonor(name, other, reader, stager, progress)
