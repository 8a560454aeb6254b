"""The registry on standard input and output, over pipes and over one socket."""

from __future__ import annotations

import http.client
import io
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, final

import pytest

from store import Store
from store.formats.distribution.greeting import parse_greeting
from tests.support.images import A, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "far", create=True, on_create=lambda _: None) as store:
        store.import_archive(io.BytesIO(image(A, tags=("demo/app:1",)).bytes()))
    return tmp_path / "far"


@final
class _Far:
    """A running server, and the two ends of its channel."""

    def __init__(self, root: Path, *, pipes: bool) -> None:
        command = [sys.executable, "-m", "storectl", "--root", str(root), "serve", "--stdio", "-q"]
        if pipes:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.sending, self.receiving = self.process.stdin, self.process.stdout
            return
        ours, theirs = socket.socketpair()
        with theirs:
            end = theirs.fileno()
            self.process = subprocess.Popen(command, stdin=end, stdout=end, stderr=subprocess.PIPE)
        self._socket = ours
        self.sending, self.receiving = ours.makefile("wb"), ours.makefile("rb")

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: any.example\r\nContent-Length: {len(body)}\r\n"
        self.sending.write(f"{head}\r\n".encode() + body)
        self.sending.flush()
        answer = http.client.HTTPResponse(_Readable(self.receiving), method=method)  # type: ignore[arg-type]
        answer.begin()
        return answer.status, answer.read()

    def end(self) -> tuple[int, bytes]:
        self.sending.close()
        if hasattr(self, "_socket"):
            self._socket.shutdown(socket.SHUT_WR)
        rest = self.receiving.read()
        assert self.process.stderr is not None
        self.process.stderr.read()
        self.process.stderr.close()
        self.receiving.close()
        if hasattr(self, "_socket"):
            self._socket.close()
        return self.process.wait(60), rest


class _Readable:
    """What `http.client` takes for a socket; the file stays open after an answer."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file

    def makefile(self, _mode: str) -> io.BufferedIOBase:
        return _Kept(self._file)


class _Kept(io.BufferedIOBase):
    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readline(self, size: int = -1, /) -> bytes:  # type: ignore[override]
        return self._file.readline(size)

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@pytest.fixture(params=["pipes", "one socket"])
def far(request: pytest.FixtureRequest, root: Path) -> Iterator[_Far]:
    found = _Far(root, pipes=request.param == "pipes")
    yield found
    if found.process.poll() is None:
        found.process.kill()
        found.process.wait()


def test_one_connection_serves_requests_until_its_end(far: _Far) -> None:
    greeted = parse_greeting(far.receiving.readline())
    assert greeted is not None
    assert far.ask("GET", "/v2/")[0] == 200
    status, body = far.ask("GET", "/v2/demo/app/tags/list")
    assert (status, b'"1"' in body) == (200, True)
    # The user may write: a push begins without a login.
    assert far.ask("POST", "/v2/demo/new/blobs/uploads/")[0] == 202
    # Nothing but answers was written.
    assert far.end() == (0, b"")


def test_a_client_that_leaves_at_once_is_no_fault(far: _Far) -> None:
    assert far.receiving.readline()
    assert far.end() == (0, b"")


def test_without_a_store_nothing_is_written(tmp_path: Path) -> None:
    root = str(tmp_path / "none")
    done = subprocess.run(
        [sys.executable, "-m", "storectl", "--root", root, "serve", "--stdio", "--read-only"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (10, b"")
    assert b"there is no store" in done.stderr
    assert not (tmp_path / "none").exists()
