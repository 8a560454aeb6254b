"""A reader for compressed streams that decodes ahead on another thread."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol, final

from store.model.limits import MIB

if TYPE_CHECKING:
    from store.formats.compression.decoders import Decoder

_INPUT_BYTES: Final = MIB
_INPUTS_AHEAD: Final = 4
_PIECES_AHEAD: Final = 4


class ByteSource(Protocol):
    """An object with ``read``, such as a file or a pipe."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; an empty result means the end of the source."""


@final
class _Consumed:
    """A mark in the queue of pieces: one piece of input has been decoded completely."""


@final
class _End:
    """A mark in the queue of pieces: no more pieces follow."""


@final
class DecodingReader:
    """The decoded bytes of a compressed stream, with ``read`` and ``close``.

    The source is read only on the caller's thread, so that no other thread waits forever on a pipe
    without a writer. A second thread decodes some MiB ahead. An error of either thread is raised by
    the read that would return the missing bytes, and by every later read.

    Args:
        source: The encoded stream, at its start. The reader does not close it.
        decode: A new decoder for the stream.
    """

    def __init__(self, source: ByteSource, decode: Decoder) -> None:
        self._source = source
        self._inputs: SimpleQueue[bytes | None] = SimpleQueue()
        self._pieces: SimpleQueue[bytes | _Consumed | _End | BaseException] = SimpleQueue()
        self._slots = threading.Semaphore(_PIECES_AHEAD)
        self._pending = 0
        self._source_done = False
        self._source_error: Exception | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self._piece = memoryview(b"")
        self._decode = decode
        # A daemon thread, so that the process can end even if the reader is never closed.
        self._thread = threading.Thread(
            target=self._work,
            args=(self._decode,),
            name="decoding",
            daemon=True,
        )
        self._thread.start()

    @property
    def padding_bytes(self) -> int:
        """How many zeros were ignored behind the data; known once all bytes were read."""
        return self._decode.padding_bytes

    def read(self, size: int, /) -> bytes:
        """Return the next ``size`` decoded bytes; fewer at the end of the data, none after it.

        Errors from the source are raised unchanged.

        Raises:
            CorruptStream: The data fails its own checks.
            TruncatedInput: The data ends inside a stream or frame.
            TooLarge: The decoded total is above the ceiling or the ratio, or decoding needs too
                much memory.
        """
        if self._closed:
            raise ValueError("read from a closed reader")
        parts: list[memoryview] = []
        while size > 0 and (self._piece or self._next_piece(wanted=not parts)):
            part = self._piece[:size]
            self._piece = self._piece[size:]
            size -= len(part)
            parts.append(part)
        if (
            len(parts) == 1
            and isinstance(whole := parts[0].obj, bytes)
            and len(whole) == len(parts[0])
        ):
            return whole
        return b"".join(parts)

    def close(self) -> None:
        """Stop decoding at once and wait until the thread ends. A second call does nothing."""
        self._closed = True
        self._slots.release()
        self._inputs.put(None)
        self._thread.join()
        self._piece = memoryview(b"")

    def _next_piece(self, *, wanted: bool) -> bool:
        """Fetch a piece; return False if there is no piece.

        If decoding failed, ``wanted`` decides what happens to the error. If true, the error is
        raised. If false, the error is kept for the next read, because the current read has bytes to
        return.
        """
        while self._error is None and not self._ended:
            self._read_ahead()
            if self._source_error is not None and not self._pending:
                self._error = self._source_error
                break
            found = self._pieces.get()
            if isinstance(found, _Consumed):
                self._pending -= 1
            elif isinstance(found, _End):
                self._ended = True
            elif isinstance(found, BaseException):
                self._error = found
            else:
                self._slots.release()
                self._piece = memoryview(found)
                return True
        if self._error is not None and wanted:
            raise self._error
        return False

    def _read_ahead(self) -> None:
        while not self._source_done and self._pending < _INPUTS_AHEAD:
            try:
                data = self._source.read(_INPUT_BYTES)
            except Exception as exc:  # noqa: BLE001 - raised after the bytes before it were read
                self._source_done, self._source_error = True, exc
                return
            self._source_done = not data
            self._pending += 1
            self._inputs.put(data)

    def _work(self, decode: Decoder) -> None:
        try:
            while (data := self._inputs.get()) is not None:
                for piece in decode.feed(data) if data else decode.finish():
                    self._slots.acquire()
                    if self._closed:
                        return
                    self._pieces.put(piece)
                if not data:
                    self._pieces.put(_End())
                    return
                self._pieces.put(_Consumed())
        except BaseException as exc:  # noqa: BLE001 - raised on the reader's thread
            self._pieces.put(exc)
