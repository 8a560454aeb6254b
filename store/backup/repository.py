"""A folder of backups: generations, and the blobs that they share.

::

    storectl-backup.json              format and version
    lock                              held by each process that uses the folder
    blobs/sha256/ab/<hex>             each blob once, as in a store
    generations/<ID>/generation.json  what the generation consists of
    generations/<ID>/store.db         a copy of the catalogue
    generations/<ID>/blobs.txt        the blobs that it names, with their sizes
    partial/                          what an unfinished backup is writing

A blob gets its name after it was synced, and a generation gets its name after all of its blobs. So
everything that has a name is complete.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, final

from store.backup import folders
from store.backup.generation import (
    CATALOGUE,
    DOCUMENT,
    IDENTIFIER,
    LIST,
    MARKER,
    MAX_DOCUMENT_BYTES,
    MAX_LINE_BYTES,
    Generation,
    ListedBlob,
    is_of_newer_program,
    marker,
    order,
    parse_list,
    require_marker,
)
from store.backup.report import Fault, FaultKind
from store.errors import (
    Conflict,
    IntegrityError,
    InvalidDocument,
    InvalidInput,
    NotFound,
    StoreBusy,
    printable,
)
from store.files.creation import NO_FOLLOW, PRIVATE_FILE
from store.files.lock_holders import holder
from store.files.os_errors import Whose, translated
from store.model.digests import Digest
from store.model.remedies import Remedy
from store.model.waiting import PATIENCE_S, WAITING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from store.errors import StoreError
    from store.model.waiting import Waiting

BLOBS: Final = "blobs"
GENERATIONS: Final = "generations"
PARTIAL: Final = "partial"
LOCK: Final = "lock"
"""The file that is locked. A network file system locks only a file that is open for writing."""

DAMAGED: Final = ".damaged"
"""The ending of the name of a blob that a check has found damaged."""

_POLL_S: Final = 0.1
"""How often a locked folder is tried. `flock` has no limit of time."""

_HARMLESS: Final = frozenset({"lost+found", ".DS_Store"})


@final
class Repository:
    """A folder of backups.

    Args:
        path: The folder, without symbolic links.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing folder of backups.

        Raises:
            InvalidInput: The folder has no backups, or those of a newer program.
        """
        resolved = Path(os.path.realpath(path))
        data = folders.read_small(resolved / MARKER, MAX_DOCUMENT_BYTES)
        if data is None:
            raise InvalidInput(
                f"there are no backups in {printable(str(path))}: it has no file {MARKER}",
                hint="name a folder or an archive that a backup was written to",
            )
        require_marker(data, str(resolved / MARKER))
        return cls(resolved)

    @classmethod
    def open_or_create(cls, path: Path) -> Self:
        """Open a folder of backups, or make one in a new or empty folder.

        Raises:
            Conflict: The folder has other files.
            InvalidInput: The folder above it does not exist, or a newer program made the backups.
        """
        resolved = Path(os.path.realpath(path))
        try:
            folders.make_folder(resolved)
        except FileNotFoundError:
            raise InvalidInput(
                f"cannot write {printable(str(path))}: its folder does not exist",
                hint="create the folder first, or write to a different folder",
            ) from None
        if not (resolved / MARKER).exists():
            with translated(resolved, whose=Whose.OUTPUT):
                names = {entry.name for entry in resolved.iterdir()}
            others = names - _HARMLESS - {BLOBS, GENERATIONS, PARTIAL}
            if others - {f"{MARKER}.partial"}:
                raise Conflict(
                    f"cannot write backups to {printable(str(path))}: the folder is not empty (it"
                    f" has {printable(min(others))})",
                    hint="choose a new or empty folder, or one that has backups",
                )
            for name in (BLOBS, GENERATIONS, PARTIAL):
                folders.make_folder(resolved / name)
            folders.write_file(resolved / f"{MARKER}.partial", marker())
            folders.rename(resolved / f"{MARKER}.partial", resolved / MARKER)
            folders.sync(resolved, resolved.parent)
        found = cls.open(resolved)
        for name in (BLOBS, GENERATIONS, PARTIAL):
            folders.make_folder(resolved / name)
        return found

    @contextmanager
    def locked(self, *, exclusive: bool, waiting: Waiting = WAITING) -> Iterator[None]:
        """Hold the lock of the folder: exclusive to write, shared to read.

        Args:
            exclusive: Whether no other process may hold the lock.
            waiting: How long to wait for the lock.

        Raises:
            StoreBusy: Another process has held the lock for longer than this one may wait.
        """
        whose = Whose.OUTPUT if exclusive else Whose.INPUT
        with translated(self.path / LOCK, whose=whose):
            try:
                mode = os.O_RDWR | os.O_CREAT if exclusive else os.O_RDONLY
                descriptor = os.open(self.path / LOCK, mode | NO_FOLLOW, PRIVATE_FILE)
            except FileNotFoundError:
                # A copy of the folder without the lock, on read-only media.
                descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW)
        try:
            with translated(self.path / LOCK, whose=whose):
                self._lock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, waiting)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, operation: int, waiting: Waiting) -> None:
        began, is_reported = time.monotonic(), False
        while True:
            try:
                fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            except OSError as exc:
                if exc.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            else:
                return
            waited = time.monotonic() - began
            if waited >= waiting.limit_s:
                break
            if waited >= PATIENCE_S and not is_reported and waiting.on_wait is not None:
                is_reported = True
                waiting.on_wait(str(holder(os.fstat(descriptor)) or ""))
            time.sleep(min(_POLL_S, waiting.limit_s - waited))
        whom = holder(os.fstat(descriptor)) or "another process"
        raise StoreBusy(
            f"cannot use the backups in {self.path}: waited {waiting.limit_s:g} s for {whom}",
            hint="try again when the other process has ended",
            remedy=Remedy.WAIT_LONGER,
        )

    def blob(self, digest: Digest) -> Path:
        """Return the path of a blob, whether or not it is there."""
        return self.path / BLOBS / digest.algorithm / digest.hex[:2] / digest.hex

    def blobs(self) -> dict[Digest, int]:
        """Return the blobs that are there, with their sizes in bytes."""
        found: dict[Digest, int] = {}
        with translated(self.path, whose=Whose.OUTPUT):
            for folder in _folders(self.path / BLOBS):
                for fan in _folders(folder):
                    with os.scandir(fan) as entries:
                        for entry in entries:
                            if entry.name.startswith(fan.name) and entry.is_file(
                                follow_symlinks=False
                            ):
                                with suppress(InvalidInput, FileNotFoundError):
                                    size = entry.stat(follow_symlinks=False).st_size
                                    found[Digest(folder.name, entry.name)] = size
        return found

    def generation(self, name: str) -> Generation:
        """Return the description of a generation.

        Raises:
            NotFound: The backup does not have this generation.
            IntegrityError: Its description is damaged.
            InvalidDocument: A newer program made it.
        """
        path = self.path / GENERATIONS / name / DOCUMENT
        data = folders.read_small(path, MAX_DOCUMENT_BYTES)
        if data is None:
            raise NotFound(f"there is no generation {printable(name)!r} in {self.path}")
        try:
            return Generation.parse(data, str(path))
        except InvalidDocument as exc:
            if is_of_newer_program(data):
                raise
            raise _damaged(str(path), exc.message) from exc

    def names(self) -> list[str]:
        """Return the names of all generations, oldest first."""
        with translated(self.path, whose=Whose.INPUT):
            found = [entry.name for entry in _folders(self.path / GENERATIONS)]
        return sorted((name for name in found if IDENTIFIER.fullmatch(name)), key=order)

    def catalogue(self, name: str) -> Path:
        """Return the path of a generation's copy of the catalogue."""
        return self.path / GENERATIONS / name / CATALOGUE

    def listed(self, name: str, *, sha256: str | None = None) -> list[ListedBlob]:
        """Return the list of a generation's blobs.

        Args:
            name: The name of the generation.
            sha256: The SHA-256 that the list must have; None to read it without this check.

        Raises:
            IntegrityError: The list is missing, damaged or too large.
        """
        path = self.path / GENERATIONS / name / LIST
        hashed = hashlib.sha256(usedforsecurity=False)

        def lines() -> Iterator[bytes]:
            descriptor = os.open(path, os.O_RDONLY | NO_FOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                while text := file.readline(MAX_LINE_BYTES):
                    hashed.update(text)
                    yield text

        try:
            with translated(path, whose=Whose.INPUT):
                found = list(parse_list(lines(), str(path)))
        except FileNotFoundError:
            raise _damaged(str(path), "there is no such file") from None
        except InvalidDocument as exc:
            raise _damaged(str(path), exc.message) from exc
        if sha256 is not None and hashed.hexdigest() != sha256:
            raise _damaged(str(path), "its bytes have a different SHA-256")
        return found

    def clear_partial(self) -> bool:
        """Remove what an unfinished backup has left; return whether there was anything.

        The blobs that it has finished stay, so that the next backup need not copy them.
        """
        with translated(self.path, whose=Whose.OUTPUT):
            left = list((self.path / PARTIAL).iterdir())
        for path in left:
            if path.is_dir() and not path.is_symlink():
                folders.remove_tree(path)
            else:
                with suppress(OSError):
                    path.unlink()
        return bool(left)

    def new_partial(self, name: str) -> Path:
        """Make the folder for a new generation, and return its path."""
        path = self.path / PARTIAL / name
        folders.make_folder(path)
        return path

    def publish(self, partial: Path) -> None:
        """Give a complete generation its name."""
        folders.sync(partial)
        folders.rename(partial, self.path / GENERATIONS / partial.name)
        folders.sync(self.path / GENERATIONS, partial.parent)

    def remove(self, name: str) -> None:
        """Remove a generation; its blobs stay."""
        removed = self.path / PARTIAL / f"removed-{name}"
        folders.rename(self.path / GENERATIONS / name, removed)
        folders.sync(self.path / GENERATIONS)
        folders.remove_tree(removed)

    def fault(self, name: str, error: StoreError) -> Fault:
        """Return the fault of a generation whose description or list cannot be used.

        Args:
            name: The name of the generation.
            error: What `generation` or `listed` has raised.
        """
        path = str(self.path / GENERATIONS / name)
        reason = error.message.removeprefix(f"{path}/{LIST}: ").removeprefix(f"{path}: ")
        return Fault(FaultKind.DAMAGED, path, reason, generations=(name,))

    def named_blobs(self, names: Iterable[str]) -> tuple[set[Digest], list[Fault]]:
        """Return the blobs that generations name, and the generations that cannot be read.

        Args:
            names: The names of the generations.
        """
        named: set[Digest] = set()
        faults = []
        for name in names:
            try:
                # A list that was cut short would name too few blobs, so its SHA-256 is checked.
                listed = self.listed(name, sha256=self.generation(name).list.sha256)
            except (IntegrityError, InvalidDocument, NotFound) as exc:
                faults.append(self.fault(name, exc))
            else:
                named.update(blob.digest for blob in listed)
        return named, faults

    def remove_other_blobs(self, named: Collection[Digest]) -> int:
        """Remove the blobs that no generation names; return the number of bytes freed.

        Args:
            named: The blobs that generations name.
        """
        freed = 0
        for digest, size in self.blobs().items():
            if digest not in named:
                with translated(self.blob(digest), whose=Whose.OUTPUT):
                    self.blob(digest).unlink(missing_ok=True)
                freed += size
        return freed


def _damaged(path: str, reason: str) -> IntegrityError:
    return IntegrityError(
        f"{path}: {reason}", hint="use another generation of this backup, or another backup"
    )


def _folders(path: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
