"""Pushes and pulls run in separate thread pools, so that pushes do not delay pulls."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from store.model.digests import Digest
from store.registry.upload import Upload
from tests.support.raw_transfers import LARGE, push_blob, read_body, send_requests
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    import pytest

    from tests.support.mirror_in_process import InProcessMirror


def test_pushes_to_a_slow_disk_do_not_delay_pulls(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = push_blob(ask, LARGE)
    write, may_write = Upload.write, threading.Event()
    writing: list[Upload] = []

    def slow(upload: Upload, data: bytes | memoryview) -> None:
        writing.append(upload)
        may_write.wait(2 * PATIENCE_S)
        write(upload, data)

    monkeypatch.setattr(Upload, "write", slow)
    head = (
        f"POST /v2/app/blobs/uploads/?digest={Digest.of(LARGE)} HTTP/1.1\r\nHost:"
        f" x\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
    )
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", ask.port), timeout=PATIENCE_S)
            )
            for _ in range(12)
        ]
        senders = [
            threading.Thread(target=client.sendall, args=(head + LARGE,)) for client in clients
        ]
        for sender in senders:
            sender.start()
        try:
            # All threads for bodies are busy, so no other write can begin.
            until(lambda: len(writing) == 6)
            with send_requests(ask, path) as client:
                assert read_body(client, len(LARGE)) == LARGE
        finally:
            may_write.set()
            for sender in senders:
                sender.join()
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 201 ")
