"""Answers with large documents: they arrive whole, and slow readers share one copy."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from mirror.transfer import client_progress
from mirror.transfer.document_memory import DocumentMemory
from store.formats.image.media_types import OCI_MANIFEST
from tests.support.pushes import artifact
from tests.support.raw_transfers import NEVER_S, read, slow_client
from tests.support.waiting import until

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.support.mirror_in_process import InProcessMirror

MIB = 1 << 20
PATH = "/v2/app/manifests/1"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> DocumentMemory:
    """Return the memory of the mirrors that start later; it has room for two documents."""
    one = DocumentMemory(10 * MIB)
    monkeypatch.setattr("mirror.service.DocumentMemory", lambda: one)
    return one


@pytest.fixture
def ask(memory: DocumentMemory, serve: Callable[..., InProcessMirror]) -> InProcessMirror:
    """Start a mirror whose documents are in ``memory``."""
    assert memory.held_bytes == 0
    return serve()


def push_large(ask: InProcessMirror, tag: str = "1") -> bytes:
    """Push a manifest of almost 4 MiB, and return its bytes."""
    document = artifact(ask, annotations={"padding": tag * (4 * MIB - 2000)})
    path = f"/v2/app/manifests/{tag}"
    assert ask("PUT", path, document, Content_Type=OCI_MANIFEST).status == 201
    return document


def read_all(client: socket.socket) -> bytes:
    """Read until the connection ends."""
    data = bytearray()
    with suppress(ConnectionError):
        while piece := client.recv(MIB):
            data += piece
    return bytes(data)


def test_a_large_manifest_arrives_whole(ask: InProcessMirror, memory: DocumentMemory) -> None:
    large = push_large(ask)
    got = ask("GET", PATH)
    assert got.body == large
    assert got.headers["Content-Length"] == str(len(large))
    assert got.headers["Content-Type"] == OCI_MANIFEST
    head = ask("HEAD", PATH)
    assert (head.body, head.headers["Content-Length"]) == (b"", str(len(large)))
    with slow_client(ask, PATH, "/v2/") as client:
        data = read(client, len(large))
        while not data.endswith(b"\r\n\r\n{}\n"):
            data += client.recv(MIB)
        assert large in data
    until(lambda: memory.held_bytes == 0)


def test_slow_readers_share_one_copy(ask: InProcessMirror, memory: DocumentMemory) -> None:
    large = push_large(ask)
    with ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(slow_client(ask, PATH))
        until(lambda: memory.readers == 20)
        assert memory.held_bytes == len(large)
        assert ask("GET", PATH).body == large
    until(lambda: memory.held_bytes == 0)


def test_readers_of_many_documents_make_room(
    ask: InProcessMirror, memory: DocumentMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_progress, "STALL_S", NEVER_S)
    documents = {tag: push_large(ask, tag) for tag in "123"}
    with ExitStack() as stack:
        clients = {}
        for number, tag in enumerate("123"):
            clients[tag] = stack.enter_context(slow_client(ask, f"/v2/app/manifests/{tag}"))
            until(lambda: memory.readers == min(number + 1, 2))  # noqa: B023 - called at once
        # The memory has room for two documents, so the first client is cut off at once.
        until(lambda: ask.connections == 2)
        assert documents["1"] not in read_all(clients["1"])
        assert len(read(clients["3"], len(documents["3"]))) == len(documents["3"])


def test_a_reader_that_is_too_slow_is_cut_off(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_progress, "STALL_S", 0.4)
    monkeypatch.setattr(client_progress, "MIN_BYTES_PER_S", 100e6)
    large = push_large(ask)
    with slow_client(ask, PATH) as client:
        got = read(client, len(large) + 10_000, pause_s=0.01)
        assert len(got) < len(large)
