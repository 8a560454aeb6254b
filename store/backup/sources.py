"""The backups that a restore or a check reads: a generation in a folder, or an archive.

A source calls ``receive`` for each blob, with a function that passes the blob's bytes on and checks
them. Threads may do so at the same time.
"""

from __future__ import annotations

import hashlib
import os
from io import FileIO
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, final

from store.backup.archive import member_name
from store.backup.copying import PIECE_BYTES, Crew, Hasher
from store.backup.generation import (
    CATALOGUE,
    DOCUMENT,
    LIST,
    MARKER,
    MAX_DOCUMENT_BYTES,
    MAX_LINE_BYTES,
    Generation,
    ListedBlob,
    Part,
    parse_list,
    require_marker,
)
from store.backup.report import Fault, FaultKind
from store.errors import IntegrityError, InvalidArchive, StoreError, Unavailable, printable
from store.files.creation import NO_FOLLOW
from store.files.os_errors import Whose, translate, translated
from store.formats.tar.reader import Member, MemberKind, TarReader
from store.model.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from store.backup.repository import Repository
    from store.model.progress import Progress

    Write = Callable[[memoryview], None]
    Fill = Callable[[Write], None]
    Receive = Callable[[ListedBlob, Fill], None]

_LIMITS: Final = Limits(members=100_000_000)


class FaultyFile(Exception):
    """A file of a backup that cannot be used; ``fault`` says why."""

    def __init__(self, kind: FaultKind, subject: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(kind, subject, reason)


class Source(Protocol):
    """One generation of a backup.

    Attributes:
        generation: What it consists of.
        blobs: The blobs that it names.
    """

    generation: Generation
    blobs: list[ListedBlob]

    def copy_catalogue(self, write: Write) -> None:
        """Pass the copy of the catalogue on, and check its SHA-256 at the end. Call this once.

        Raises:
            IntegrityError: The copy is damaged or missing.
        """

    def each_blob(
        self, wanted: Callable[[ListedBlob], bool], receive: Receive, progress: Progress
    ) -> list[Fault]:
        """Call ``receive`` for each wanted blob; return the faults. Call this once, at the end.

        Args:
            wanted: Returns whether a blob is wanted.
            receive: Called with each blob, and with a function that passes its bytes on. That
                function raises `FaultyFile` at the end if they are not the blob's.
            progress: Receives the progress of each blob.
        """


@final
class FolderSource:
    """A generation in a folder of backups, whose lock is held; implements `Source`.

    Args:
        repository: The folder.
        name: The name of the generation.

    Raises:
        NotFound: The backup does not have this generation.
        InvalidInput: The description or the list of the generation is damaged.
    """

    def __init__(self, repository: Repository, name: str) -> None:
        self._repository = repository
        self.generation = repository.generation(name)
        self.blobs = repository.listed(name, sha256=self.generation.list.sha256)

    def copy_catalogue(self, write: Write) -> None:
        """Pass the copy of the catalogue on (`Source.copy_catalogue`)."""
        path = self._repository.catalogue(self.generation.id)
        try:
            pass_file_on(path, self.generation.catalogue, write)
        except FaultyFile as exc:
            raise _lost_catalogue(exc.fault) from exc

    def each_blob(
        self, wanted: Callable[[ListedBlob], bool], receive: Receive, progress: Progress
    ) -> list[Fault]:
        """Pass each wanted blob on, several at once (`Source.each_blob`)."""
        return read_blobs(self._repository, filter(wanted, self.blobs), receive, progress)


def read_blobs(
    repository: Repository, blobs: Iterable[ListedBlob], receive: Receive, progress: Progress
) -> list[Fault]:
    """Pass blobs of a folder of backups on, several at once; return the faults.

    Args:
        repository: The folder.
        blobs: The blobs; one that was missing when it was backed up may be there by now.
        receive: Called with each blob (`Source.each_blob`).
        progress: Receives the progress of each blob.
    """
    crew = Crew()

    def one(blob: ListedBlob) -> Fault | None:
        key = str(blob.digest)
        progress.start(key, blob.digest.short, blob.size_bytes)

        def fill(write: Write) -> None:
            _pass_blob_on(repository, blob, write, on_bytes)

        def on_bytes(size_bytes: int) -> None:
            crew.check()
            progress.advance(key, size_bytes)

        try:
            receive(blob, fill)
        except FaultyFile as exc:
            return exc.fault
        finally:
            progress.finish(key)
        return None

    return [fault for fault in crew.run(one, blobs) if fault is not None]


def _pass_blob_on(
    repository: Repository, blob: ListedBlob, write: Write, on_bytes: Callable[[int], None]
) -> None:
    path, subject = repository.blob(blob.digest), str(blob.digest)
    with (
        _opened(path, subject) as file,
        Hasher(blob.digest.algorithm, blob.size_bytes) as hasher,
    ):
        size = os.fstat(file.fileno()).st_size
        buffer = memoryview(bytearray(min(PIECE_BYTES, blob.size_bytes)))
        while size == blob.size_bytes and (taken := _read(file, buffer, path, subject)):
            hasher.passed(buffer[:taken], write)
            on_bytes(taken)
        if size != blob.size_bytes or hasher.size_bytes != size:
            reason = f"its file has {size} of {blob.size_bytes} bytes"
            raise FaultyFile(FaultKind.DAMAGED, subject, reason)
        _require_digest(blob, hasher)


def pass_file_on(path: Path, part: Part, write: Write) -> None:
    """Pass a file of a generation on, and check its SHA-256.

    Args:
        path: The file.
        part: Its size and its SHA-256.
        write: Writes all bytes of a piece.

    Raises:
        FaultyFile: The file is missing, damaged or unreadable.
    """
    hashed, size = hashlib.sha256(usedforsecurity=False), 0
    with _opened(path, str(path)) as file:
        buffer = memoryview(bytearray(PIECE_BYTES))
        while size <= part.size_bytes and (taken := _read(file, buffer, path, str(path))):
            hashed.update(buffer[:taken])
            size += taken
            write(buffer[:taken])
    if size != part.size_bytes or hashed.hexdigest() != part.sha256:
        raise FaultyFile(FaultKind.DAMAGED, str(path), "its bytes have a different SHA-256")


def _opened(path: Path, subject: str) -> FileIO:
    try:
        return FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW))
    except (FileNotFoundError, NotADirectoryError):
        raise FaultyFile(FaultKind.MISSING, subject, "its file is missing") from None
    except OSError as exc:
        raise _unreadable(exc, path, subject) from exc


def _read(file: FileIO, buffer: memoryview, path: Path, subject: str) -> int:
    try:
        return file.readinto(buffer) or 0
    except OSError as exc:
        raise _unreadable(exc, path, subject) from exc


def _unreadable(error: OSError, path: Path, subject: str) -> FaultyFile:
    reason = translate(error, path, whose=Whose.INPUT).message
    return FaultyFile(FaultKind.UNREADABLE, subject, reason)


def _require_digest(blob: ListedBlob, hasher: Hasher) -> None:
    if hasher.hexdigest() != blob.digest.hex:
        raise FaultyFile(FaultKind.DAMAGED, str(blob.digest), "its bytes have a different digest")


def _lost_catalogue(fault: Fault) -> StoreError:
    if fault.kind is FaultKind.UNREADABLE:
        return Unavailable(fault.reason, hint="check the disk and the permissions of the backup")
    return IntegrityError(
        f"the copy of the catalogue in the backup is {fault.kind.value}: {fault.subject}:"
        f" {fault.reason}",
        hint="restore another generation or another backup",
    )


@final
class ArchiveSource:
    """A backup in a tar archive; implements `Source`.

    Args:
        file: The archive, at its start.
        name: The name of the archive, for errors.
        seekable: Whether the file is a regular file; data that is not needed is then skipped.

    Raises:
        InvalidInput: The archive is not a backup, or it is damaged.
    """

    def __init__(self, file: BinaryIO, name: str, *, seekable: bool) -> None:
        self._name = name
        self._reader = TarReader(file, _LIMITS, seekable=seekable)
        self._members = iter(self._reader)
        with self._reading():
            require_marker(self._document(MARKER), name)
            self.generation = Generation.parse(self._document(DOCUMENT), name)
            self.blobs = self._list()

    def copy_catalogue(self, write: Write) -> None:
        """Pass the copy of the catalogue on (`Source.copy_catalogue`)."""
        with self._reading():
            member = self._next(CATALOGUE)
            hashed = hashlib.sha256(usedforsecurity=False)
            for piece in self._reader.chunks(PIECE_BYTES):
                hashed.update(piece)
                write(memoryview(piece))
        part = self.generation.catalogue
        if member.size != part.size_bytes or hashed.hexdigest() != part.sha256:
            raise _lost_catalogue(
                Fault(FaultKind.DAMAGED, CATALOGUE, "its bytes have a different SHA-256")
            )

    def each_blob(
        self, wanted: Callable[[ListedBlob], bool], receive: Receive, progress: Progress
    ) -> list[Fault]:
        """Pass each wanted blob on, in the order of the archive (`Source.each_blob`)."""
        expected = {member_name(blob.digest): blob for blob in self.blobs if not blob.is_missing}
        left = {blob.digest: None for blob in self.blobs if wanted(blob)}
        faults = []
        with self._reading():
            for member in self._members:
                blob = expected.pop(member.name.removeprefix("./"), None)
                if blob is None or not _is_plain(member) or member.size != blob.size_bytes:
                    raise InvalidArchive("unexpected member", member=member.name)
                if blob.digest not in left:
                    continue
                del left[blob.digest]
                try:
                    self._receive(blob, receive, progress)
                except FaultyFile as exc:
                    faults.append(exc.fault)
        missing = (Fault(FaultKind.MISSING, str(one), "it is not in the archive") for one in left)
        return [*faults, *missing]

    def _receive(self, blob: ListedBlob, receive: Receive, progress: Progress) -> None:
        key = str(blob.digest)
        progress.start(key, blob.digest.short, blob.size_bytes)

        def fill(write: Write) -> None:
            with Hasher(blob.digest.algorithm, blob.size_bytes) as hasher:
                for piece in self._reader.chunks(PIECE_BYTES):
                    hasher.passed(piece, write)
                    progress.advance(key, len(piece))
                _require_digest(blob, hasher)

        try:
            receive(blob, fill)
        finally:
            progress.finish(key)

    def _document(self, name: str) -> bytes:
        self._next(name)
        return self._reader.read_all(MAX_DOCUMENT_BYTES)

    def _list(self) -> list[ListedBlob]:
        part = self.generation.list
        member = self._next(LIST)
        hashed = hashlib.sha256(usedforsecurity=False)

        def lines() -> Iterator[bytes]:
            rest = b""
            for piece in self._reader.chunks(PIECE_BYTES):
                hashed.update(piece)
                *whole, rest = (rest + piece).split(b"\n")
                yield from (one + b"\n" for one in whole)
                if len(rest) > MAX_LINE_BYTES:
                    break
            if rest:
                yield rest

        blobs = list(parse_list(lines(), LIST))
        if member.size != part.size_bytes or hashed.hexdigest() != part.sha256:
            raise InvalidArchive("its bytes have a different SHA-256", member=LIST)
        return blobs

    def _next(self, name: str) -> Member:
        member = next(self._members, None)
        if member is None or member.name.removeprefix("./") != name or not _is_plain(member):
            found = "the archive ends" if member is None else printable(member.name)
            raise InvalidArchive(
                f"this is not a backup: expected the member {name}, found {found}",
                hint="name a folder or an archive that a backup was written to",
            )
        return member

    def _reading(self) -> AbstractContextManager[None]:
        return translated(self._name, whose=Whose.INPUT)


def _is_plain(member: Member) -> bool:
    return member.kind is MemberKind.FILE and member.extents is None
