"""A writer of archives to a stream, with the same bytes as Go's archive/tar gives for Docker.

Headers are built by hand, because Python's tarfile clears the file type bits of the mode
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
    """A binary file, or another object with ``write``. A call may write only part of the data.

    A non-blocking sink, whose ``write`` can return None, has a ``fileno`` to wait on.
    """

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Write some of ``data``; return the number of bytes written, None if the sink is full."""


def write(plan: Plan, reader: Reader, sink: Sink, progress: Progress) -> None:
    """Write the archive from its first byte to its last.

    After an error, the bytes written so far are not a valid archive.

    Args:
        plan: The archive's entries and sizes.
        reader: Reads stored content and checks its digest.
        sink: Receives the bytes.
        progress: Receives one report for each file with stored content.

    Raises:
        DamagedContent: The bytes of stored content do not have its digest.
        ContentMissing: A file of the store is missing.
        Unavailable: The sink is full and has no file descriptor to wait on.
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
    """Yield the bytes of stored content, or of a file made for this archive.

    Args:
        source: The stored content, or the path of the file.
        reader: Reads stored content and checks its digest.

    Raises:
        DamagedContent: The bytes do not have the content's digest. Raised after the last byte.
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

    A value that does not fit into the ustar header is written into a PAX header before it.

    Args:
        entry: The archive member that the headers describe.
        owner: The user name, which is also written as the group name.
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


def write_all(sink: Sink, data: bytes | memoryview) -> None:
    """Write all of ``data``, in as many calls as the sink needs.

    Raises:
        Unavailable: The sink is full and has no file descriptor to wait on.
    """
    view = memoryview(data)
    while view:
        taken = sink.write(view)
        if taken is None:
            # The sink is a non-blocking pipe that is full.
            _wait_until_writable(sink)
        else:
            view = view[taken:]


def _wait_until_writable(sink: Sink) -> None:
    """Wait until the reader has read bytes or has closed the pipe; the next write reports which."""
    try:
        descriptor: int = sink.fileno()  # type: ignore[attr-defined]  # a sink without one raises AttributeError
    except (AttributeError, OSError):
        raise Unavailable(
            "cannot write the archive: the output is full and has no file descriptor to wait on",
            hint="write to a file instead",
        ) from None
    # select() would accept only descriptors up to 1023.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
