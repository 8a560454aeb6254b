"""The memory of a server while many clients push, and afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.formats.image.media_types import OCI_MANIFEST
from tests.support.mirror_process import Mirror
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
PEAK_MIB = 120
"""Memory in MiB that all pushes may take together, beyond that of an idle server.

The memory of an idle server depends on the tools that run the test: coverage needs 7 MiB.
"""
KEPT_MIB = 40
"""Growth in MiB that is allowed: code that first runs, the database's caches, fragmentation."""
PIECE = random.Random(18).randbytes(MIB)
BLOB_MIB = 4
DIGEST = hashlib.sha256(PIECE * BLOB_MIB).hexdigest()


def memory_mib(mirror: Mirror, what: str) -> float:
    lines = Path(f"/proc/{mirror.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def body(*, slow: bool) -> Iterator[bytes]:
    for _ in range(BLOB_MIB):
        for start in range(0, MIB, MIB // 4):
            yield PIECE[start : start + MIB // 4]
            if slow:
                time.sleep(0.1)


def push(mirror: Mirror, number: int, findings: list[str], *, slow: bool) -> None:
    """Push as Docker does: one PATCH in chunks, then the digest."""
    connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=500)
    try:
        place = f"/v2/many/r{number}/blobs/uploads/"
        for method, path, sent, wanted in (
            ("POST", "", None, 202),
            ("PATCH", "", body(slow=slow), 202),
            ("PUT", f"?digest=sha256:{DIGEST}", None, 201),
        ):
            connection.request(
                method,
                place + path,
                sent,
                {} if sent else {"Content-Length": "0"},
                encode_chunked=sent is not None,
            )
            with connection.getresponse() as answer:
                said = answer.read()
                if answer.status != wanted:
                    findings.append(f"{number}: {method}: {answer.status} {said!r}")
                    return
                place = answer.headers["Location"].removeprefix(f"http://{mirror.host}")
    except OSError as exc:
        findings.append(f"{number}: {exc!r}")
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(("fast", "slow"), [(64, 0), (192, 64)])
def test_many_pushes_at_once_take_little_memory_and_give_it_back(
    fast: int, slow: int, tmp_path: Path
) -> None:
    with Mirror(tmp_path / "store", "-q", "--max-uploads", "100000") as mirror:
        push(mirror, 0, [], slow=False)
        before = memory_mib(mirror, "VmRSS")
        findings: list[str] = []
        clients = [
            threading.Thread(
                target=push, args=(mirror, number, findings), kwargs={"slow": number >= fast}
            )
            for number in range(fast + slow)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert findings == []
        peak = memory_mib(mirror, "VmHWM")
        assert peak - before <= PEAK_MIB
        print(f"{before:.0f} MiB before, {peak:.0f} at most")  # noqa: T201 - the figure of this run
        until(lambda: memory_mib(mirror, "VmRSS") <= before + KEPT_MIB)


HEADS = 8
FIELD = b"x" * 30_000


@pytest.mark.parametrize("fields", [3, 100])
def test_requests_behind_an_unread_answer_hold_little_memory(fields: int, tmp_path: Path) -> None:
    head = (
        b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n"
        + b"".join(b"X%d: %b\r\n" % (number, FIELD) for number in range(fields))
        + b"\r\n"
    )
    with (
        Mirror(tmp_path / "store", "-q", "--grace", "0") as mirror,
        contextlib.ExitStack() as opened,
    ):
        assert (
            mirror.request(
                "POST",
                f"/v2/app/blobs/uploads/?digest=sha256:{hashlib.sha256(PIECE * 24).hexdigest()}",
                PIECE * 24,
            )[0]
            == 201
        )
        before = memory_mib(mirror, "VmRSS")
        for _ in range(HEADS):
            client = opened.enter_context(
                socket.create_connection(("127.0.0.1", mirror.port), timeout=0.5)
            )
            client.sendall(
                f"GET /v2/app/blobs/sha256:{hashlib.sha256(PIECE * 24).hexdigest()}"
                " HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            # The loop reads from the socket again once the sending thread has given it up.
            time.sleep(0.5)
            with contextlib.suppress(TimeoutError):
                for _ in range(32):
                    client.sendall(head)
        assert memory_mib(mirror, "VmHWM") < before + 32
        assert mirror.request("GET", "/healthz")[0] == 200


READERS = 100
READERS_MIB = 30
"""Growth in MiB that is allowed. Before documents were shared, each reader took 8 MiB."""


def test_slow_readers_of_a_large_manifest_take_little_memory(tmp_path: Path) -> None:
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2}
    digest = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    document = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {**config, "digest": digest},
            "layers": [],
            "annotations": {"padding": "x" * (4 * MIB - 2000)},
        }
    ).encode()
    with Mirror(tmp_path / "store", "-q") as mirror, contextlib.ExitStack() as clients:
        mirror.request("POST", f"/v2/app/blobs/uploads/?digest={digest}", b"{}")
        headers = {"Content-Type": OCI_MANIFEST}
        assert mirror.request("PUT", "/v2/app/manifests/1", document, headers)[0] == 201
        assert mirror.request("GET", "/v2/app/manifests/1")[2] == document
        before = memory_mib(mirror, "VmRSS")
        for _ in range(READERS):
            client = clients.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", mirror.port))
            client.sendall(
                f"GET /v2/app/manifests/1 HTTP/1.1\r\nHost: {mirror.host}\r\n\r\n".encode()
            )
            assert client.recv(12) == b"HTTP/1.1 200"
        assert mirror.request("GET", "/v2/app/manifests/1")[2] == document
        assert memory_mib(mirror, "VmRSS") - before < READERS_MIB
