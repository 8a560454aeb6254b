"""Idle connections cannot use up the descriptors that blobs and the database need."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import pytest

from store.model.digests import Digest
from tests.support.mirror_process import Mirror
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

DATA: Final = random.Random(3).randbytes(1 << 20) * 4
DIGEST: Final = Digest.of(DATA)

FEW_DESCRIPTORS: Final = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))"


def blob(connection: http.client.HTTPConnection) -> int | bool:
    """Return whether the connection delivers the blob; the status if it is an error."""
    connection.request("GET", f"/v2/app/blobs/{DIGEST}")
    with connection.getresponse() as answer:
        return answer.read() == DATA if answer.status == 200 else answer.status


def eventually(mirror: Mirror, path: str) -> bytes:
    """Return the answer to a new client, which tries again while its connections are refused."""
    answers: list[bytes] = []

    def ask() -> bool:
        with suppress(ConnectionError):
            answers.append(mirror.request("GET", path)[2])
        return bool(answers)

    until(ask)
    return answers[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_silent_connections_leave_descriptors_for_blobs(workers: int, tmp_path: Path) -> None:
    options = ("-q", "--workers", str(workers))
    with (
        Mirror(tmp_path / "store", *options, first=FEW_DESCRIPTORS) as mirror,
        ExitStack() as kept,
    ):
        path = f"/v2/app/blobs/uploads/?digest={DIGEST}"
        assert mirror.request("POST", path, DATA)[0] == 201
        mine = [
            http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=PATIENCE_S)
            for _ in range(20)
        ]
        for connection in mine:
            kept.callback(connection.close)
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        for _ in range(300 * workers):
            kept.enter_context(socket.create_connection(("127.0.0.1", mirror.port)))
        results: list[int | bool] = []
        threads = [
            threading.Thread(target=lambda one: results.append(blob(one)), args=(connection,))
            for connection in mine
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [True] * 20

        # A new client is served soon, although the old silent connections are still open.
        assert eventually(mirror, f"/v2/app/blobs/{DIGEST}") == DATA
        metrics = eventually(mirror, "/metrics").decode()
        assert 'storectl_events_total{event="refused_connections"} 0\n' not in metrics
        assert "Too many open files" not in mirror.log.read_text()
