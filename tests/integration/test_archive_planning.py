"""Planning an archive ends when its client leaves, and keeps nobody else waiting."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store import Store
from tests.support.images import A, Archive, config
from tests.support.mirror_process import Mirror
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGES = 60
SLOW = (
    "import time; from exporter.selection.document_reader import DocumentReader as R;"
    " f = R._counted; R._counted = lambda *a: (time.sleep(0.2), f(*a))[1]"
)
"""Reading a document takes 0.2 s, so that planning takes as long as with far more images."""
ALL_S = IMAGES * 0.4
"""Seconds to plan all images: each has a manifest and a config."""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    folder: Path = tmp_path_factory.mktemp("planning")
    archive = Archive().file("layer.tar", A)
    for number in range(IMAGES):
        archive.file(f"{number}.json", config(A, config={"Labels": {"n": str(number)}}))
    archive.manifest(
        *(
            {"Config": f"{number}.json", "RepoTags": [f"many:{number}"], "Layers": ["layer.tar"]}
            for number in range(IMAGES)
        )
    )
    (folder / "many.tar").write_bytes(archive.bytes())
    with Store.open(folder / "store", create=True) as store:
        store.import_archive(folder / "many.tar")
    with Mirror(folder / "store", first=SLOW) as running:
        yield running


def ask(mirror: Mirror, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", mirror.port), timeout=PATIENCE_S)
    request = f"HEAD /archives/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    connection.sendall(request.encode())
    return connection


@pytest.mark.parametrize("format_", ["legacy", "docker", "oci"])
def test_planning_ends_when_its_clients_leave(mirror: Mirror, format_: str) -> None:
    """All requests come from one address, for which one plan is made at a time."""
    for _ in range(4):
        ask(mirror, f"{format_}/many").close()
    start = time.monotonic()
    with closing(ask(mirror, f"{format_}/many:1")) as connection:
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - start < ALL_S / 2


def test_a_client_that_has_only_stopped_sending_gets_its_answer(mirror: Mirror) -> None:
    with closing(ask(mirror, "oci/many:2,many:3,many:4")) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    interim, _, final = answer.partition(b"\r\n\r\n")
    assert interim == b"HTTP/1.1 100 Continue"
    assert final.startswith(b"HTTP/1.1 200 ")
