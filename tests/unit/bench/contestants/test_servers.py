from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bench.contestants import servers
from bench.contestants.servers import Running, Served, Software, digest_of, remove, start
from bench.missing import MissingError
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Registry(BaseHTTPRequestHandler):
    """A registry that accepts pushes and logs the requests."""

    log: list[tuple[str, str]] = []  # noqa: RUF012 - shared by all instances on purpose

    def do_POST(self) -> None:
        self._answer(202, Location=f"http://127.0.0.1:{self.server.server_port}/upload?id=1")  # type: ignore[attr-defined]

    def do_PUT(self) -> None:
        self._answer(400 if "bad" in self.path else 201)

    def _answer(self, status: int, **headers: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.log.append((self.command, self.path))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        pass


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    Registry.log.clear()
    process: Any = SimpleNamespace(pid=0)
    with HTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Running(server.server_port, tmp_path, process)
        server.shutdown()
        thread.join()


def test_an_image_is_pushed_blobs_first(running: Running, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.write_bytes(b"layer")
    manifest = running.push_image([layer], "2")
    assert str(Digest.of(b"layer")).encode() in manifest
    assert [method for method, _ in Registry.log] == ["POST", "PUT", "POST", "PUT", "PUT"]
    assert Registry.log[3][1] == f"/upload?id=1&digest={Digest.of(b'layer')}"
    assert Registry.log[-1][1] == "/v2/bench/image/manifests/2"


def test_a_refused_request_is_an_error(running: Running) -> None:
    with pytest.raises(RuntimeError, match="PUT /bad: 400"):
        running.request("PUT", "/bad")


def test_a_changed_config_has_a_new_digest(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    for data in (b"one", b"two"):
        config.write_bytes(data)
        assert digest_of(config) == str(Digest.of(data))


def test_a_server_that_ends_at_once_is_missing(tmp_path: Path) -> None:
    shop: Any = SimpleNamespace(folder=lambda: tmp_path)
    command = [sys.executable, "-c", "import sys; sys.exit('no configuration')"]
    with pytest.raises(MissingError, match="no configuration"):
        start(shop, Software("server", lambda _folder, _port: command))


def test_a_server_is_started_and_filled_once_and_removed_after_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
    software = Software("server", lambda _folder, port: [*command, str(port)])
    monkeypatch.setitem(servers.SERVERS, "server", software)
    stops: list[Any] = []
    folder = tmp_path / "server"
    folder.mkdir()
    shop: Any = SimpleNamespace(folder=lambda: folder, on_settle=stops.append)
    fed: list[Running] = []

    def feed(running: Running) -> tuple[str, int]:
        fed.append(running)
        return "/blob", 7

    served = Served("server", shop, feed)
    assert served.ready() == served.ready() == (fed[0], "/blob", 7)
    assert len(fed) == len(stops) == 1
    assert fed[0].daemon().pids == (fed[0].process.pid,)
    stops[0]()
    assert fed[0].process.poll() is not None
    assert not folder.exists()
    remove(fed[0])


def test_requests_are_counted_in_the_log(tmp_path: Path) -> None:
    running = Running(1, tmp_path, cast("Any", None))
    (tmp_path / "log").write_text(
        'level=error msg="HEAD /v2/ failed"\n'
        '127.0.0.1 - - [1/Jan/2026] "HEAD /v2/a/manifests/1 HTTP/1.1" 200 9 "" "x"\n'
        '127.0.0.1 - - [1/Jan/2026] "GET /v2/a/tags/list?n=9 HTTP/1.1" 200 9 "" "x"\n'
    )
    assert running.request_count() == 2
    served = Served("name", cast("Any", None), lambda _: ("", 0), running)
    assert served.requests() == 2
