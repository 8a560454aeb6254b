from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from bench.contestants.requests import ListPages, figures_of
from bench.contestants.servers import Running

if TYPE_CHECKING:
    from pathlib import Path


class Pages(BaseHTTPRequestHandler):
    """A server's list in three pages, in which each page but the last links to the next page."""

    def do_GET(self) -> None:
        page = int(self.path.rpartition("=")[2])
        data = json.dumps({"tags": [f"t{page}"]}).encode()
        self.send_response(200)
        if page < 3:
            self.send_header("Link", f'</list?n={page + 1}>; rel="next"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        pass


def test_pages_are_read_one_by_one_or_to_the_end(tmp_path: Path) -> None:
    process: Any = None
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running = Running(server.server_port, tmp_path, process)
        first = ListPages._pages(running, "/list?n=1", "tags", once=True)
        every = ListPages._pages(running, "/list?n=1", "tags", once=False)
        server.shutdown()
        thread.join()
    assert first == (["t1"], "/list?n=2")
    assert every == (["t1", "t2", "t3"], None)


@pytest.mark.parametrize("code", ["print('{\"wall_s\": 2}')", "raise SystemExit(1)"])
def test_failed_clients_have_no_figures(code: str) -> None:
    clients = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    if "raise" in code:
        with pytest.raises(subprocess.CalledProcessError):
            figures_of(clients)
    else:
        assert figures_of(clients) == {"wall_s": 2}
