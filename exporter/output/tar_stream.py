"""Tar entries to the byte as Go's archive/tar writes them for Docker (docker-archive.md §4), onto any binary sink.

Headers are built by hand: Python's tarfile would mask the file type bits away.
"""

from __future__ import annotations

import select
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from exporter.planning.plan import BLOCK, END, LARGEST_OCTAL, NAME_BYTES, Entry, EntryType, padded
from store.content.frames import PIECE_BYTES
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
    """Anything with ``write``; a short write is allowed.

    One that may answer None, because it does not block, has a ``fileno`` to wait for.
    """

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Take bytes; how many were taken."""


def write(plan: Plan, reader: Reader, sink: Sink, progress: Progress) -> None:
    """Stream the archive.

    Raises DamagedContent, ContentMissing; what was written so far is then no archive.
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
    """The bytes of a content, verified, or of a file that was made for this archive."""
    if not isinstance(source, Path):
        yield from reader.chunks(source)
        return
    with translated(source), source.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def headers(entry: Entry, owner: str) -> Iterator[bytes]:
    """The header blocks of an entry: an extended one with PAX records where a number does not fit, then the ustar one."""
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
    # As Go: path.Split, then path.Join, which drops the base name of a directory ("<id>/" splits
    # into "<id>/" and nothing).
    folder, slash, base = path.rpartition("/")
    return f"{folder}{slash}PaxHeaders.0{'/' if base else ''}{base}"


def write_all(sink: Sink, data: bytes) -> None:
    """Write every byte, however little the sink takes at once.

    Raises Unavailable when it takes nothing and there is nothing to wait for.
    """
    view = memoryview(data)
    while view:
        taken = sink.write(view)
        if taken is None:
            # A raw stream says so when it took nothing: the pipe is full and does not block. Going
            # on would lose bytes silently.
            _wait_until_writable(sink)
        else:
            view = view[taken:]


def _wait_until_writable(sink: Sink) -> None:
    """Let the reader catch up. One that has gone away ends the wait too: the next write says so."""
    try:
        descriptor: int = sink.fileno()  # type: ignore[attr-defined]  # that is the question
    except (AttributeError, OSError):
        raise Unavailable(
            "the output takes no more bytes, and there is nothing to wait for",
            hint="save to a file",
        ) from None
    # Not select(): it knows no descriptors beyond 1023.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
