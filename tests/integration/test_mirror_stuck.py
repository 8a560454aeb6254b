"""A server beside a process that keeps the store locked, and a server whose own threads hang."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.files.lock_holders import describe
from tests.support.images import A
from tests.support.mirror_process import Mirror
from tests.support.processes import children
from tests.support.stored_images import put_image
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(descriptor, fcntl.LOCK_EX)
os.kill(os.getpid(), 19)
"""
SHORT = "import store.model.waiting as w; w.SERVER_WAIT_LIMIT_S = 0.5"
"""A value for `Mirror.first`: requests wait for half a second."""

REQUESTS = 160
"""Enough that a busy machine answers them long before the time that they need one by one."""

BLOB = b"some bytes of a blob"
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"


@pytest.fixture
def filled(root: Path) -> Path:
    with Store.open(root, create=True) as store:
        put_image(store, A, tags=("team/app:1",))
    return root


@pytest.fixture
def mirror(filled: Path) -> Iterator[Mirror]:
    with Mirror(filled, "-q", "--grace", "1", first=SHORT) as running:
        yield running


def stop_a_writer(root: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(root / "write.lock")])
    until(lambda: describe(process.pid).is_stopped)
    return process


def test_while_a_writer_is_stopped_writes_get_503_and_reads_go_on(mirror: Mirror) -> None:
    status, headers, _ = mirror.request("POST", "/v2/team/app/blobs/uploads/")
    assert status == 202
    upload = headers["Location"]
    unwanted = mirror.request("POST", "/v2/team/app/blobs/uploads/")[1]["Location"]
    manifest = mirror.request("GET", "/v2/team/app/manifests/1")
    config = json.loads(manifest[2])["config"]["digest"]
    writer = stop_a_writer(mirror.root)
    try:
        chunk = {"Content-Type": "application/octet-stream"}
        for method, path, body in (
            ("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}", BLOB),
            ("POST", "/v2/a/blobs/uploads/", None),
            ("POST", f"/v2/b/blobs/uploads/?mount={config}&from=team/app", None),
            ("PATCH", upload, BLOB),
            ("PUT", f"{upload}?digest={DIGEST}", BLOB),
            ("DELETE", unwanted, None),
            ("PUT", "/v2/team/app/manifests/2", manifest[2]),
            ("DELETE", "/v2/team/app/manifests/1", None),
            ("DELETE", f"/v2/team/app/blobs/{config}", None),
        ):
            kind = {"Content-Type": manifest[1]["Content-Type"]} if "manifests" in path else chunk
            began = time.monotonic()
            status, headers, answer = mirror.request(method, path, body, kind)
            assert time.monotonic() - began < PATIENCE_S
            assert status == 503, (method, path)
            assert int(headers["Retry-After"]) > 0
            (error,) = json.loads(answer)["errors"]
            assert error["code"] == "UNAVAILABLE"
            assert str(writer.pid) not in answer.decode()
        for path in (
            "/v2/",
            "/v2/_catalog",
            "/v2/team/app/tags/list",
            "/v2/team/app/manifests/1",
            f"/v2/team/app/blobs/{config}",
            "/healthz",
            "/metrics",
        ):
            assert mirror.request("GET", path)[0] == 200, path
        until(lambda: mirror.request("GET", "/readyz")[0] == 503)
        assert mirror.request("GET", "/readyz")[2] == b"another process keeps the store locked\n"
        assert b"\nstorectl_ready 0\n" in mirror.request("GET", "/metrics")[2]
    finally:
        writer.send_signal(signal.SIGCONT)
        writer.wait(PATIENCE_S)
    until(lambda: mirror.request("GET", "/readyz")[0] == 200)
    # The file of a cancelled upload may be gone before its row.
    assert mirror.request("DELETE", unwanted)[0] in {204, 404}
    # The client tries again, with the same upload, and nothing of before is in the way.
    status, headers, _ = mirror.request("GET", upload)
    assert (status, headers["Range"]) == (204, "0-0")
    assert mirror.request("PUT", f"{upload}?digest={DIGEST}", BLOB, chunk)[0] == 201
    assert mirror.json("/v2/team/app/tags/list")["tags"] == ["1"]


def test_many_requests_do_not_wait_one_after_the_other(mirror: Mirror) -> None:
    from concurrent.futures import ThreadPoolExecutor

    writer = stop_a_writer(mirror.root)
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(REQUESTS) as pool:
            found = list(
                pool.map(
                    lambda _: mirror.request("POST", "/v2/a/blobs/uploads/")[0], range(REQUESTS)
                )
            )
        assert found == [503] * REQUESTS
        # Eight threads write. Their first calls wait for 0.5 seconds, and all others not at all.
        assert time.monotonic() - began < REQUESTS / 8 * 0.5
    finally:
        writer.kill()
        writer.wait()


HANG = (
    "import time, mirror.api.lists as l, store.registry.registry as r\n"
    "r.Registry.{what} = lambda *_a, **_k: time.sleep(3600)\n"
)
HANG_LOOP = (
    "import time, mirror.api.health as h, mirror.app as a\n"
    "def hang(*_a):\n    time.sleep(3600)\n"
    "a._PUBLIC[a.Resource.HEALTHZ] = hang\n"
)


def start_request(mirror: Mirror, path: str) -> subprocess.Popen[bytes]:
    code = "import sys, urllib.request as u; u.urlopen(sys.argv[1])"
    return subprocess.Popen(
        [sys.executable, "-c", code, f"http://{mirror.host}{path}"], stderr=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    ("first", "path"), [(HANG.format(what="repositories"), "/v2/_catalog"), (HANG_LOOP, "/healthz")]
)
def test_a_thread_or_an_event_loop_that_hangs_does_not_keep_the_server(
    filled: Path, first: str, path: str
) -> None:
    with Mirror(filled, "--grace", "1", first=first) as mirror:
        client = start_request(mirror, path)
        try:
            time.sleep(1)
            began = time.monotonic()
            assert mirror.stop() == 10
            assert 1 <= time.monotonic() - began < PATIENCE_S
        finally:
            client.kill()
            client.wait()
        assert "the grace is over" in mirror.log.read_text()


def test_a_stopped_worker_does_not_keep_the_server(filled: Path) -> None:
    with Mirror(filled, "--grace", "0", "--workers", "2") as mirror:
        until(lambda: len(children(mirror.process.pid)) == 2)
        victim, other = sorted(children(mirror.process.pid))
        os.kill(victim, signal.SIGSTOP)
        assert mirror.stop() == 10
        for pid in (victim, other):
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


def test_a_stopped_writer_does_not_keep_the_server(filled: Path) -> None:
    with Mirror(filled, "-q", "--grace", "1") as mirror:
        writer = stop_a_writer(filled)
        client = start_request(mirror, "/archives/legacy/team/app:1")
        try:
            time.sleep(0.5)
            began = time.monotonic()
            mirror.stop()
            assert time.monotonic() - began < PATIENCE_S
        finally:
            for process in (writer, client):
                process.kill()
                process.wait()


def digest_of(number: int) -> str:
    return f"sha256:{hashlib.sha256(b'%d' % number).hexdigest()}"


def test_what_was_acknowledged_before_a_hard_end_is_stored(filled: Path) -> None:
    with Mirror(filled, "--grace", "0", first=HANG.format(what="repositories")) as mirror:
        client = start_request(mirror, "/v2/_catalog")
        for number in range(20):
            path = f"/v2/a/blobs/uploads/?digest={digest_of(number)}"
            assert mirror.request("POST", path, b"%d" % number)[0] == 201
        assert mirror.stop() == 10
        client.kill()
        client.wait()
    with Mirror(filled, "-q") as mirror:
        for number in range(20):
            status, _, body = mirror.request("GET", f"/v2/a/blobs/{digest_of(number)}")
            assert (status, body) == (200, b"%d" % number)


def test_a_store_that_is_moved_away_and_back_under_a_server(mirror: Mirror) -> None:
    moved = mirror.root.with_name("moved")
    mirror.root.rename(moved)
    try:
        until(lambda: mirror.request("GET", "/readyz")[0] == 503)
        for method, path in (
            ("GET", "/v2/team/app/manifests/1"),
            ("GET", "/v2/_catalog"),
            ("POST", "/v2/a/blobs/uploads/"),
        ):
            # Readers look once in a second.
            until(lambda method=method, path=path: mirror.request(method, path)[0] == 503)  # type: ignore[misc]
        assert not mirror.root.exists()
    finally:
        moved.rename(mirror.root)
    until(lambda: mirror.request("GET", "/readyz")[0] == 200)
    assert mirror.request("GET", "/v2/team/app/manifests/1")[0] == 200
    assert mirror.request("POST", "/v2/a/blobs/uploads/")[0] == 202
    assert "Traceback" not in mirror.log.read_text()
