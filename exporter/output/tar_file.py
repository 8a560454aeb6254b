"""A writer of archives into a regular file, in which several threads write at once."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, final

from exporter.output.tar_stream import headers
from exporter.planning.plan import END, EntryType
from store.content.parallel_copy import Scatter
from store.files.page_cache import reserve

if TYPE_CHECKING:
    from exporter.output.tar_stream import Sink
    from exporter.planning.plan import Entry, Plan
    from store import Store
    from store.content.reader import Reader
    from store.model.contents import Sources
    from store.model.progress import Progress


def descriptor_of(sink: Sink) -> int | None:
    """Return the file descriptor of a sink that can be written at any offset.

    Args:
        sink: The destination of the archive.

    Returns:
        The descriptor, or None for a pipe, a device, or a file opened to append.
    """
    try:
        descriptor: int = sink.fileno()  # type: ignore[attr-defined]  # a sink without one raises AttributeError
        status, flags = os.fstat(descriptor), fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except (AttributeError, OSError):
        return None
    return None if flags & os.O_APPEND or not stat.S_ISREG(status.st_mode) else descriptor


def write(plan: Plan, store: Store, reader: Reader, descriptor: int, progress: Progress) -> None:
    """Write the archive at the file's current position, and move the position to its end.

    After an error the file is not a valid archive.

    Args:
        plan: The archive's entries and sizes.
        store: The store that holds the blobs.
        reader: Reads content that is stored only in encoded form.
        descriptor: A regular file, open for writing.
        progress: Receives one report for each file with stored content.

    Raises:
        DamagedContent: The bytes of stored content do not have its digest.
        ContentMissing: A file of the store is missing.
        StorageFull: The file system has no space left.
    """
    offset = os.lseek(descriptor, 0, os.SEEK_CUR)
    reserve(descriptor, offset, plan.size_bytes)
    with Scatter(store.blobs, reader, descriptor, workers=max(2, os.cpu_count() or 1)) as scatter:
        contents: list[tuple[Entry, Sources, int]] = []
        for entry in plan.entries:
            head = b"".join(headers(entry, plan.owner))
            end = offset + entry.archived_bytes
            scatter.put(head, offset)
            if entry.type is EntryType.FILE and entry.source is not None:
                start = offset + len(head)
                if isinstance(entry.source, bytes):
                    scatter.put(entry.source, start)
                elif isinstance(entry.source, Path):
                    scatter.file(entry.source, start, entry.size_bytes)
                else:
                    contents.append((entry, entry.source, start))
                scatter.put(bytes(end - start - entry.size_bytes), start + entry.size_bytes)
            offset = end
        # Each file is hashed by one thread. Start with the largest file, so that its thread does
        # not run alone at the end.
        for entry, sources, start in sorted(
            contents, key=lambda one: one[0].size_bytes, reverse=True
        ):
            scatter.content(sources, start, _Part(progress, entry).advance)
        scatter.put(bytes(END), offset)
        scatter.finish()
    os.lseek(descriptor, offset + END, os.SEEK_SET)


@final
class _Part:
    """The progress of one file: it starts with its first bytes, and is finished with its last.

    Many files wait for a free thread. They have no part yet.

    Args:
        progress: Receives the reports.
        entry: The file.
    """

    def __init__(self, progress: Progress, entry: Entry) -> None:
        self._progress = progress
        self._entry = entry
        self._done_bytes = 0
        self._lock = threading.Lock()

    def advance(self, size: int) -> None:
        """Report that ``size`` more bytes are written. Several threads may call this."""
        key, size_bytes = self._entry.path, self._entry.size_bytes
        with self._lock:
            if not self._done_bytes:
                self._progress.start(key, key[:12], size_bytes)
            self._progress.advance(key, size)
            self._done_bytes += size
            if self._done_bytes == size_bytes:
                self._progress.finish(key)
