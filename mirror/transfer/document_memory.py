"""Limit the memory for large documents that clients are reading, such as manifests and lists.

A document is in memory until its last reader has received it. Equal documents are in memory once,
for any number of readers. If different documents need too much memory, the oldest document of the
network that holds the most is given up, and its readers are cut off.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENT_MEMORY_BYTES: Final = 64 * MIB
"""The limit for all documents of one process together."""


@final
class _Document:
    """A document in memory, and functions that cut off its readers."""

    __slots__ = ("data", "network", "readers")

    def __init__(self, data: bytes, network: str) -> None:
        self.data = data
        self.network = network
        self.readers: dict[object, Callable[[], object]] = {}


@final
class DocumentMemory:
    """The large documents that clients of this process are reading.

    Args:
        size_bytes: The limit for all documents together. A document larger than the limit is
            alone in memory.
    """

    def __init__(self, size_bytes: int = DOCUMENT_MEMORY_BYTES) -> None:
        self.held_bytes = 0
        self._size_bytes = size_bytes
        self._documents: dict[object, _Document] = {}

    @property
    def readers(self) -> int:
        """The number of clients that are reading documents."""
        return sum(len(one.readers) for one in self._documents.values())

    def shared(self, key: object, data: bytes) -> bytes:
        """Return a document; the same bytes as in memory if a client is reading an equal document.

        Args:
            key: A value that only equal documents have, such as their digest.
            data: The document.
        """
        document = self._documents.get(key)
        return data if document is None else document.data

    @contextmanager
    def held(
        self, key: object, data: bytes, network: str, cut_off: Callable[[], object]
    ) -> Iterator[bytes]:
        """Hold a document while a client reads it.

        Args:
            key: A value that only equal documents have, such as their digest.
            data: The document.
            network: The network of the client. The memory counts for the network of the client that
                asked for the document first.
            cut_off: Closes the connection of the client; called if the memory is needed.

        Yields:
            The document; the same bytes for all clients that read it. The caller should drop
            ``data``.
        """
        document = self._documents.get(key)
        if document is None:
            document = self._documents[key] = _Document(data, network)
            self.held_bytes += len(data)
            self._make_room(document)
        reader = object()
        document.readers[reader] = cut_off
        try:
            yield document.data
        finally:
            document.readers.pop(reader, None)
            if not document.readers and self._documents.get(key) is document:
                self._drop(key, document)

    def _make_room(self, new: _Document) -> None:
        while self.held_bytes > self._size_bytes and len(self._documents) > 1:
            older = {key: one for key, one in self._documents.items() if one is not new}
            held: dict[str, int] = {}
            for one in older.values():
                held[one.network] = held.get(one.network, 0) + len(one.data)
            largest = max(held, key=held.__getitem__)
            key, document = next((key, one) for key, one in older.items() if one.network == largest)
            self._drop(key, document)
            for cut_off in list(document.readers.values()):
                cut_off()

    def _drop(self, key: object, document: _Document) -> None:
        del self._documents[key]
        self.held_bytes -= len(document.data)
