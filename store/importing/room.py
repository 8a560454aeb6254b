"""The space that an import needs: an honest lower and upper bound, known before it writes.

Layers that arrive as gzip or zstd are kept as they are. A plain layer is compressed, so its size is
only an upper bound. Layers in other codecs are decoded and compressed again, so they have no upper
bound before they are read.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from store.errors import StorageFull, StoreError
from store.files.space.shortage import free_bytes
from store.formats.compression.codecs import detect
from store.model.contents import Codec
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from store.formats.compression.settings import Compression
    from store.importing.members.members import Members

_KEPT: Final = frozenset({Codec.GZIP, Codec.ZSTD})
_HINT: Final = "free some space on the store's file system; nothing was changed"
_FRAME_OVERHEAD: Final = 256
"""Encoded data is larger than its content by at most this fraction: incompressible data."""


@final
class Room:
    """The space that one import needs.

    Args:
        folder: A folder on the file system of the store.
        compression: How layers are encoded that arrive uncompressed.
    """

    def __init__(self, folder: Path, compression: Compression) -> None:
        self._folder = folder
        self._is_plain_kept = compression.level is None
        self._least = 0
        self._most: int | None = 0
        self._is_stated = False

    def require(self, members: Members, layers: Iterable[str], blobs: Iterable[str] = ()) -> None:
        """Check that files that are about to be read fit on the disk, if their sizes are known.

        Args:
            members: The files of the archive. What arrives in a pipe has been written already.
            layers: The paths of layers.
            blobs: The paths of files that are stored as they are.

        Raises:
            StorageFull: The files need more space than there is, even at their smallest.
        """
        least, most = 0, 0
        known: int | None
        for path in dict.fromkeys(layers):
            # Reading the layer raises the error.
            with suppress(StoreError):
                head = members.head(path)
                if head is None:
                    return
                size, codec = members.size(path), detect(head)
                if codec in _KEPT or (codec is Codec.IDENTITY and self._is_plain_kept):
                    least += size
                    most += size
                elif codec is Codec.IDENTITY:
                    most += size + size // _FRAME_OVERHEAD
                else:
                    self._most = None
        for path in dict.fromkeys(blobs):
            with suppress(StoreError):
                size = members.size(path)
                least += size
                most += size
        self._least += least
        known = self._most
        self._most = None if known is None else known + most
        free = free_bytes(self._folder)
        if least > free:
            self._is_stated = True
            raise StorageFull(
                f"cannot import the archive: {self._needed()}, and {free} bytes are free",
                hint=_HINT,
                remedy=Remedy.COLLECT_GARBAGE,
            )

    def explained(self, error: StorageFull) -> StorageFull:
        """Return an error that says how much the import needs, and how much is free now.

        Args:
            error: The error that ended the import. The files of the import have been removed.
        """
        if self._is_stated or (not self._least and not self._most):
            return error
        free = free_bytes(self._folder)
        return StorageFull(
            f"{error.message}: the import needs {self._needed().removesuffix(' are needed')}, and"
            f" {free} bytes are free",
            hint=error.hint,
            remedy=error.remedy,
        )

    def _needed(self) -> str:
        if self._most is None:
            return f"at least {self._least} bytes are needed"
        if self._least == self._most:
            return f"{self._least} bytes are needed"
        if not self._least:
            return f"up to {self._most} bytes are needed"
        return f"{self._least} to {self._most} bytes are needed"
