"""Clients that read answers as slowly as a test needs, and files that are slow to read."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mirror.transfer import nonblocking_sendfile, send_file
from store.model.digests import Digest
from tests.support.processes import open_files
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.mirror_in_process import InProcessMirror

SMALL = random.Random(11).randbytes(1 << 20)
LARGE = SMALL * 6
HUGE = LARGE * 6
"""More bytes than the buffers of two sockets hold."""

NEVER_S = 600
"""Seconds: longer than any test."""


def push_blob(ask: InProcessMirror, data: bytes) -> str:
    """Push a blob, and return its path."""
    digest = Digest.of(data)
    assert ask("POST", f"/v2/app/blobs/uploads/?digest={digest}", data).status == 201
    return f"/v2/app/blobs/{digest}"


def send_requests(ask: InProcessMirror, *paths: str) -> socket.socket:
    """Return a client that has sent GET requests and has read no answer yet."""
    client = socket.create_connection(("127.0.0.1", ask.port), timeout=PATIENCE_S)
    client.sendall(
        b"".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths)
    )
    return client


def slow_client(ask: InProcessMirror, *paths: str) -> socket.socket:
    """Return a client with a small buffer, which has sent GET requests and has read nothing yet."""
    client = socket.socket()
    client.settimeout(PATIENCE_S)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", ask.port))
    for path in paths:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def read(
    client: socket.socket, size_bytes: int, pause_s: float = 0.0, piece_bytes: int = 1 << 14
) -> bytes:
    """Read bytes, with a pause after each read."""
    data = bytearray()
    while len(data) < size_bytes and (
        piece := client.recv(min(piece_bytes, size_bytes - len(data)))
    ):
        data += piece
        time.sleep(pause_s)
    return bytes(data)


def read_body(client: socket.socket, size_bytes: int, piece_bytes: int = 1 << 14) -> bytes:
    """Read the next answer, and return its body."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        head += read(client, 1)
    return read(client, size_bytes, piece_bytes=piece_bytes)


def drain(client: socket.socket) -> int:
    """Read until the connection ends, and return the number of bytes."""
    size_bytes = 0
    with client, suppress(ConnectionError):
        while piece := client.recv(1 << 16):
            size_bytes += len(piece)
    return size_bytes


def count_descriptors() -> int:
    """Count this process's open descriptors, without those of the database's connection pool."""
    return sum("store.db" not in target for target in open_files())


def evict(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Evict a file from the page cache, or simulate the eviction if the file is on tmpfs."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if _cached_pages(file.fileno()):
            pretend_uncached(patch)


def pretend_uncached(patch: pytest.MonkeyPatch) -> None:
    """Make the server treat every file as if it were not in the page cache."""
    for module in (send_file, nonblocking_sendfile):
        patch.setattr(module, "is_cached", lambda *_: False)


def _cached_pages(descriptor: int) -> int:
    """Return how many pages of a file are in the page cache, without reading ahead (mincore(2))."""
    with mmap.mmap(
        descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
    ) as mapped:
        states = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        start = (ctypes.c_char * len(mapped)).from_buffer(mapped)
        answer = ctypes.CDLL(None, use_errno=True).mincore(
            ctypes.byref(start), ctypes.c_size_t(len(mapped)), states
        )
        del start
        assert answer == 0, os.strerror(ctypes.get_errno())
        return sum(state & 1 for state in states)
