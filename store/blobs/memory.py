"""A blob store in memory, for tests; it shows the contract of blob stores in little code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, final

from store.files.os_errors import translated
from store.model.digests import Digest, Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path


@final
class MemoryBlobs:
    """The reference implementation of `store.blobs.protocol.BlobStore`.

    Args:
        blobs: The bytes of the initial blobs, by digest. Bytes with a different digest stand for a
            damaged blob.
    """

    reuses_locations: Final = True

    def __init__(self, blobs: Mapping[Digest, bytes] | None = None) -> None:
        self._blobs = {self.location(digest): data for digest, data in (blobs or {}).items()}

    def location(self, digest: Digest) -> Location:
        """Return the location of a blob: ``memory:`` and the digest."""
        return Location(f"memory:{digest}")

    def digest(self, location: Location) -> Digest:
        """Return the digest in a location."""
        return Digest.parse(location.removeprefix("memory:"))

    def open(self, location: Location) -> OpenBytes | None:
        """Open a blob; None if there is no such blob."""
        data = self._blobs.get(location)
        return None if data is None else OpenBytes(data)

    def size(self, location: Location) -> int | None:
        """Return the size of a blob in bytes, or None if there is no such blob."""
        data = self._blobs.get(location)
        return None if data is None else len(data)

    def is_touched(self, location: Location, since: datetime) -> bool:
        """Return True for every blob: bytes in memory have no times."""
        del since
        return location in self._blobs

    def publish(self, staged: Iterable[tuple[Path, Location]]) -> None:
        """Read each staged file into memory, then remove the file."""
        for source, location in staged:
            with translated(source):
                self._blobs[location] = source.read_bytes()
                source.unlink()

    def remove(self, location: Location) -> int:
        """Forget a blob; return the number of bytes freed."""
        return len(self._blobs.pop(location, b""))

    def locations(self) -> Iterator[Location]:
        """Yield the location of every blob."""
        yield from tuple(self._blobs)


@final
class OpenBytes:
    """An open blob whose bytes are in memory; implements `store.blobs.protocol.OpenBlob`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._position = 0

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self._data)

    @property
    def stamp(self) -> object:
        """The identity of the bytes, which never change."""
        return id(self._data.obj)

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; negative ``size`` for all remaining bytes."""
        piece = self.pread(self._position, len(self._data) if size < 0 else size)
        self._position += len(piece)
        return piece

    def pread(self, offset: int, size: int, /) -> bytes:
        """Return bytes from any offset."""
        return bytes(self._data[offset : offset + size])

    def pread_into(self, offset: int, buffer: bytearray | memoryview, /) -> int:
        """Copy bytes from any offset; return their number."""
        piece = self._data[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def as_file(self) -> None:
        """Return None: there is no file."""
        return

    def close(self) -> None:
        """Forget the bytes."""
        self._data = memoryview(b"")
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
