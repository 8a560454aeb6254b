"""Archives written to a stream, byte for byte as Go's archive/tar writes them for Docker.

Headers are built by hand, because Python's tarfile masks the file type bits away
(docker-archive.md §4).
"""

from __future__ import annotations

import select
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from exporter.planning.plan import BLOCK, END, LARGEST_OCTAL, NAME_BYTES, Entry, EntryType, padded
from store.content.reader import PIECE_BYTES
from store.errors import Unavailable
from store.files.os_errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.planning.plan import Plan
    from store.content.reader import Reader
    from store.model.contents import Sources
    from store.model.progress import Progress

_CHECKSUM: Final = slice(148, 156)


class Sink(Protocol):
    """A binary file or anything else with ``write``; a short write is allowed.

    A sink whose ``write`` returns None, because it does not block, has a ``fileno`` to wait for.
    """

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Write bytes, and return their number, or None if the sink is full."""


def write(plan: Plan, reader: Reader, sink: Sink, progress: Progress) -> None:
    """Write the archive from its first byte to its last.

    After an error the bytes written so far are not a valid archive.

    Args:
        plan: The archive.
        reader: Reads stored contents.
        sink: Receives the bytes.
        progress: Told of every stored content.

    Raises:
        DamagedContent: A content does not have its digest.
        ContentMissing: A file of the store is missing.
        Unavailable: The sink takes no more bytes, and cannot be waited for.
    """
    for entry in plan.entries:
        write_all(sink, b"".join(headers(entry, plan.owner)))
        if entry.type is EntryType.FILE:
            _write_content(entry, reader, sink, progress)
    write_all(sink, bytes(END))


def _write_content(entry: Entry, reader: Reader, sink: Sink, progress: Progress) -> None:
    if isinstance(entry.source, bytes):
        write_all(sink, entry.source)
    elif entry.source is not None:
        progress.start(entry.path, entry.path[:12], entry.size_bytes)
        for piece in pieces(entry.source, reader):
            write_all(sink, piece)
            progress.advance(entry.path, len(piece))
        progress.finish(entry.path)
    write_all(sink, bytes(padded(entry.size_bytes) - entry.size_bytes))


def pieces(source: Sources | Path, reader: Reader) -> Iterator[bytes]:
    """Yield the bytes of a content, verified, or of a file made for this archive.

    Args:
        source: The stored content, or the file.
        reader: Reads stored contents.

    Raises:
        DamagedContent: The content does not have its digest; raised after its last byte.
        ContentMissing: A file of the store is missing.
    """
    if not isinstance(source, Path):
        yield from reader.chunks(source)
        return
    with translated(source), source.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def headers(entry: Entry, owner: str) -> Iterator[bytes]:
    """Yield the header blocks of an entry.

    A value that does not fit the ustar header stands in a PAX header before it.

    Args:
        entry: The member.
        owner: The user and group name.
    """
    records = entry.records()
    if records:
        yield _header(
            _pax_name(entry.path), b"x", mode=0, mtime=0, size=len(records), owner=b"", devices=b""
        )
        yield records.ljust(padded(len(records)), b"\0")
    yield _header(
        entry.path,
        entry.type.value,
        mode=entry.mode,
        mtime=entry.mtime_s if entry.mtime_s <= LARGEST_OCTAL else 0,
        size=entry.size_bytes if entry.size_bytes <= LARGEST_OCTAL else 0,
        owner=owner.encode(),
        link=entry.link,
    )


def _header(
    path: str,
    flag: bytes,
    *,
    mode: int,
    mtime: int,
    size: int,
    owner: bytes,
    link: str = "",
    devices: bytes = b"0000000\0",
) -> bytes:
    block = bytearray(
        b"".join(
            (
                path.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0"),
                b"%07o\0" % mode,
                b"0000000\0" * 2,
                b"%011o\0" % size,
                b"%011o\0" % mtime,
                b" " * 8,
                flag,
                link.encode().ljust(100, b"\0"),
                b"ustar\x0000",
                owner.ljust(32, b"\0") * 2,
                devices.ljust(8, b"\0") * 2,
            )
        ).ljust(BLOCK, b"\0")
    )
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_name(path: str) -> str:
    # As in Go: path.Split, then path.Join, which drops the empty base name of a folder ("<id>/"
    # splits into "<id>/" and "").
    folder, slash, base = path.rpartition("/")
    return f"{folder}{slash}PaxHeaders.0{'/' if base else ''}{base}"


def write_all(sink: Sink, data: bytes) -> None:
    """Write every byte, in as many calls as the sink needs.

    Args:
        sink: Receives the bytes.
        data: The bytes.

    Raises:
        Unavailable: The sink takes no more bytes, and cannot be waited for.
    """
    view = memoryview(data)
    while view:
        taken = sink.write(view)
        if taken is None:
            # The sink took nothing: it is a pipe that is full and does not block.
            _wait_until_writable(sink)
        else:
            view = view[taken:]


def _wait_until_writable(sink: Sink) -> None:
    """Wait until the reader has taken bytes or closed the pipe, which the next write reports."""
    try:
        descriptor: int = sink.fileno()  # type: ignore[attr-defined]  # a sink without one raises AttributeError
    except (AttributeError, OSError):
        raise Unavailable(
            "cannot write the archive: the output takes no more bytes and has no file descriptor",
            hint="write to a file instead",
        ) from None
    # Not select(), which accepts only descriptors up to 1023.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
