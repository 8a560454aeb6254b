"""Space that a store keeps for itself, so that a full disk can be emptied with storectl.

To remove content, the catalogue has to be written first, which needs some space. So a store keeps a
few files in the folder `RESERVE`. A command that frees space removes them if the disk is full, and
makes them again at its end.

The kernel allocates the files, but writes nothing. Where it cannot allocate, they are written with
random bytes, so that a file system that compresses keeps their space as well.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, final

from store.files.creation import create_file, create_folder, open_folder
from store.files.sizes import folder_bytes
from store.model.byte_sizes import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESERVE: Final = "reserve"
"""The name of the folder in the store's root."""

PIECES: Final = 4
SMALLEST_PIECE: Final = MIB // 4
LARGEST_PIECE: Final = MIB
_PARTS_OF_CATALOGUE: Final = 16
"""A piece has this fraction of the catalogue's size: large catalogues have long logs."""

_COPYING: Final = 16
"""How much larger a piece is on btrfs and ZFS, which copy what is overwritten (measured)."""

_ROOM: Final = 8
"""A reserve is made only if this many times its size is free."""

_WRITTEN: Final = ".written"
"""The end of the names of pieces whose bytes were written."""
_NAME: Final = re.compile(r"[0-9]{1,2}(?:\.written)?")
_BLOCK: Final = 512


@final
class Reserve:
    """The reserve of one store.

    Args:
        root: The store's folder.
        catalogue: The name of the catalogue's file in it, whose size decides that of the reserve.
    """

    def __init__(self, root: Path, catalogue: str) -> None:
        self._root = root
        self._folder = root / RESERVE
        self._catalogue = root / catalogue
        self._was_released = False

    @property
    def was_released(self) -> bool:
        """Whether this object has released the reserve, and not made it again."""
        return self._was_released

    def wanted_bytes(self) -> int:
        """Return the size that the reserve should have, in bytes."""
        return PIECES * self._piece_bytes()

    def release_if_full(self) -> bool:
        """Remove the pieces if the file system, or a quota, has less room than the reserve.

        If only inodes are missing, the error says so, and the reserve stays.

        Returns:
            Whether the file system has so little room, even if there was no reserve.
        """
        from store.files.space.shortage import (  # noqa: PLC0415 - few commands free space
            has_no_inodes,
            obstacle,
        )

        if obstacle(self._root, self.wanted_bytes()) is None or has_no_inodes(self._root):
            return False
        with suppress(OSError), open_folder(self._folder) as folder:
            for name in self._pieces(folder):
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
        self._was_released = True
        return True

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let a block that frees space use the reserve if the disk is full; make it again after."""
        if not self.release_if_full():
            yield
            return
        try:
            yield
        finally:
            self.fill(needs_room=False)

    def size_bytes(self) -> int:
        """Return the size of the pieces that exist, in bytes."""
        return folder_bytes(self._folder)

    def fill(self, *, needs_room: bool = True) -> bool:
        """Make the pieces that are missing or were copied without their space.

        Args:
            needs_room: Whether to leave the disk alone if it is nearly full.

        Returns:
            Whether the reserve is complete.
        """
        from store.files.space.shortage import free_bytes  # noqa: PLC0415 - not for readers

        piece_bytes = self._piece_bytes()
        try:
            missing = self._missing(piece_bytes)
            if not missing:
                self._was_released = False
                return True
            if needs_room and free_bytes(self._root) < _ROOM * PIECES * piece_bytes:
                return False
            with suppress(FileExistsError):
                create_folder(self._folder)
            for name in missing:
                self._make(name, piece_bytes)
        except OSError:
            return False
        self._was_released = False
        return True

    def _piece_bytes(self) -> int:
        try:
            size = self._catalogue.stat().st_size // _PARTS_OF_CATALOGUE
        except OSError:
            size = 0
        from store.files.space.shortage import copies_on_write  # noqa: PLC0415 - not for readers

        piece = SMALLEST_PIECE
        # Doubled, not fitted: otherwise every growth of the catalogue would ask for new pieces.
        while piece < min(size, LARGEST_PIECE):
            piece *= 2
        return piece * _COPYING if copies_on_write(self._root) else piece

    def _missing(self, piece_bytes: int) -> list[str]:
        found: dict[str, bool] = {}
        try:
            with open_folder(self._folder) as folder:
                for name in self._pieces(folder):
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    # A copy may have holes in place of bytes that were only allocated.
                    has_space = name.endswith(_WRITTEN) or status.st_blocks * _BLOCK >= piece_bytes
                    found[name.removesuffix(_WRITTEN)] = status.st_size >= piece_bytes and has_space
        except FileNotFoundError:
            pass
        return [str(number) for number in range(1, PIECES + 1) if not found.get(str(number))]

    @staticmethod
    def _pieces(folder: int) -> list[str]:
        return [name for name in os.listdir(folder) if _NAME.fullmatch(name)]

    def _make(self, name: str, size: int) -> None:
        for old in (name, name + _WRITTEN):
            (self._folder / old).unlink(missing_ok=True)
        path = self._folder / name
        descriptor = create_file(path, os.O_RDWR)
        try:
            with suppress(OSError):
                # If the disk is full, writing fails as well.
                os.posix_fallocate(descriptor, 0, size)
            if os.fstat(descriptor).st_blocks * _BLOCK < size:
                done = 0
                while done < size:
                    done += os.pwrite(descriptor, os.urandom(min(MIB, size - done)), done)
                path.rename(path.with_name(name + _WRITTEN))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
