from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from bench.measuring import load

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = bytes(3_000_000)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        self.send_response(200 if self.path == "/blob" else 404)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY if self.path == "/blob" else b"")
        self.close_connection = self.path != "/blob"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Handler.requests = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_every_connection_sends_all_its_requests(port: int) -> None:
    found = load.run(port, 3, 4, len(BODY), "/blob")
    assert Handler.requests == 12
    assert 0 < found["first_byte_s"] <= found["wall_s"]


def test_another_status_than_200_is_an_error(port: int) -> None:
    with pytest.raises(RuntimeError, match="404"):
        load.run(port, 1, 1, len(BODY), "/absent")
