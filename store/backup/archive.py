"""A backup as one tar archive, written in one pass.

The members stand in this order: the marker, the description of the generation, the list of blobs,
the copy of the catalogue, and the blobs. All sizes are known before the first byte. The names are
those of a store, so that ``tar -x`` in an empty folder makes a store.
"""

from __future__ import annotations

import hashlib
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.backup.blob_source import BlobSource, FaultyBlob
from store.backup.copying import PIECE_BYTES, file_sha256
from store.backup.generation import (
    CATALOGUE,
    DOCUMENT,
    LIST,
    MARKER,
    Generation,
    ListedBlob,
    Part,
    identifier,
    line,
    marker,
)
from store.backup.report import BackupReport, Fault, FaultKind
from store.backup.repository import BLOBS
from store.backup.snapshot import affected, held
from store.files.os_errors import translated
from store.model.progress import Progress, Silent
from store.workspace.engines import check_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.model.digests import Digest
    from store.workspace.workspace import Workspace

BLOCK: Final = 512
_END: Final = bytes(2 * BLOCK)


@final
@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """An archive that is ready to be written.

    Attributes:
        generation: The state that it holds.
        size_bytes: The exact length of the archive.
    """

    generation: Generation
    size_bytes: int
    _workspace: Workspace
    _folder: Path
    _blobs: list[ListedBlob]

    def write(self, write: Callable[[memoryview], None], progress: Progress | None) -> BackupReport:
        """Write the archive.

        Content that turns out to be damaged is written as it is, so that the archive has the length
        that was announced. A restore of it, and a check, find the damage again.

        Args:
            write: Writes all bytes of a piece.
            progress: Receives the progress of each blob; None if progress is not shown.
        """
        progress = progress or Silent()
        time = int(self.generation.created.timestamp())

        def member(name: str, size_bytes: int) -> None:
            write(memoryview(header(name, size_bytes, time)))

        for name, data in ((MARKER, marker()), (DOCUMENT, self.generation.to_bytes())):
            member(name, len(data))
            write(memoryview(data + bytes(padding(len(data)))))
        for name, part in ((LIST, self.generation.list), (CATALOGUE, self.generation.catalogue)):
            member(name, part.size_bytes)
            self._write_file(self._folder / name, part, write)
        faults = [
            Fault(
                FaultKind.MISSING,
                str(blob.digest),
                "its file is missing",
                affected(self._workspace, blob.digest),
            )
            for blob in self._blobs
            if blob.is_missing
        ]
        progress.total(self.generation.blob_bytes)
        source = BlobSource(
            self._workspace, lambda digest, size: progress.advance(str(digest), size)
        )
        for blob in self._blobs:
            if not blob.is_missing:
                progress.start(str(blob.digest), blob.digest.short, blob.size_bytes)
                member(member_name(blob.digest), blob.size_bytes)
                faults += self._write_blob(source, blob, write)
                progress.finish(str(blob.digest))
        write(memoryview(_END))
        return BackupReport(
            self.generation,
            self.generation.blobs,
            self.generation.blob_bytes,
            faults=tuple(sorted(faults, key=lambda fault: fault.subject)),
        )

    def _write_blob(
        self, source: BlobSource, blob: ListedBlob, write: Callable[[memoryview], None]
    ) -> list[Fault]:
        written = 0

        def count(view: memoryview) -> None:
            nonlocal written
            write(view)
            written += len(view)

        faults = []
        try:
            with source.opened(blob.digest) as opened:
                source.pass_on(blob.digest, opened, blob.size_bytes, count)
        except FaultyBlob as exc:
            faults.append(exc.fault)
        left = blob.size_bytes + padding(blob.size_bytes) - written
        while left:
            zeros = bytes(min(left, PIECE_BYTES))
            write(memoryview(zeros))
            left -= len(zeros)
        return faults

    @staticmethod
    def _write_file(path: Path, part: Part, write: Callable[[memoryview], None]) -> None:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                write(memoryview(piece))
        write(memoryview(bytes(padding(part.size_bytes))))


@contextmanager
def planned(workspace: Workspace, folder: Path) -> Iterator[ArchivePlan]:
    """Copy the catalogue, and hold the blobs that it names until the block ends.

    Args:
        workspace: The opened store.
        folder: An empty folder for the copy of the catalogue.

    Raises:
        StorageFull: There is no space for the copy.
    """
    with held(workspace, folder / CATALOGUE, lambda *_: True) as snapshot:
        blobs = []
        hashed = hashlib.sha256(usedforsecurity=False)
        with translated(folder / LIST), (folder / LIST).open("wb") as file:
            for digest, size in snapshot.blobs:
                there = _size(workspace, digest)
                one = ListedBlob(digest, size if size is not None else there or 0, there is None)
                blobs.append(one)
                text = line(one)
                hashed.update(text)
                file.write(text)
        present = [one.size_bytes for one in blobs if not one.is_missing]
        generation = Generation(
            identifier(snapshot.created, set()),
            snapshot.created.replace(microsecond=0),
            str(check_copy(folder / CATALOGUE).current),
            snapshot.images,
            len(present),
            sum(present),
            len(blobs) - len(present),
            Part((folder / CATALOGUE).stat().st_size, file_sha256(folder / CATALOGUE)),
            Part((folder / LIST).stat().st_size, hashed.hexdigest()),
        )
        yield ArchivePlan(generation, _length(generation, blobs), workspace, folder, blobs)


def _size(workspace: Workspace, digest: Digest) -> int | None:
    return workspace.blobs.size(workspace.blobs.location(digest))


def _length(generation: Generation, blobs: list[ListedBlob]) -> int:
    members = [
        (MARKER, len(marker())),
        (DOCUMENT, len(generation.to_bytes())),
        (LIST, generation.list.size_bytes),
        (CATALOGUE, generation.catalogue.size_bytes),
        *((member_name(one.digest), one.size_bytes) for one in blobs if not one.is_missing),
    ]
    return len(_END) + sum(
        len(header(name, size, 0)) + size + padding(size) for name, size in members
    )


def member_name(digest: Digest) -> str:
    """Return the name of a blob's member."""
    return f"{BLOBS}/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}"


def padding(size_bytes: int) -> int:
    """Return how many zeros follow the data of a member."""
    return -size_bytes % BLOCK


def header(name: str, size_bytes: int, time_s: int) -> bytes:
    """Return the header of a member, with a PAX record if the name or the size needs it.

    Args:
        name: The name of the member.
        size_bytes: The size of its data.
        time_s: Its time in Unix seconds.
    """
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size_bytes, time_s, 0o600
    return entry.tobuf(tarfile.PAX_FORMAT, "ascii", "strict")
