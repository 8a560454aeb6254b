"""``storectl serve`` as a process: restarts, kills, TLS, several workers."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import bcrypt
import pytest

from store import Store
from store.model.digests import Digest
from tests.support import images
from tests.support.mirror_process import UNWATCHED, Mirror
from tests.support.processes import children, is_running
from tests.support.raw_http import RawConnection, request
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def storectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    import sys

    return subprocess.run(
        [sys.executable, "-m", "storectl", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_upload_goes_on_after_a_restart(end: signal.Signals, tmp_path: Path) -> None:
    root = tmp_path / "store"
    with Mirror(root) as mirror:
        place = mirror.request("POST", "/v2/app/blobs/uploads/")[1]["Location"]
        assert mirror.request("PATCH", place, b"before ")[0] == 202
        assert mirror.stop(end) == (0 if end is signal.SIGTERM else -signal.SIGKILL)
    with Mirror(root) as mirror:
        status, headers, _ = mirror.request("GET", place)
        assert (status, headers["Range"]) == (204, "0-6")
        digest = Digest.of(b"before and after")
        status, headers, _ = mirror.request(
            "PUT", f"{place}?digest={digest}", b"and after", {"Content-Range": "7-15"}
        )
        assert status == 201
        assert mirror.request("GET", headers["Location"])[2] == b"before and after"
    with Store.open(root) as store:
        assert list(store.fsck()) == []


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    root = tmp_path / "store"
    acknowledged: list[Digest] = []
    mirror = Mirror(root)

    def push() -> None:
        count = 0
        while True:
            count += 1
            data = f"{threading.get_ident()} {count}".encode() * 5000
            digest = Digest.of(data)
            try:
                if (
                    mirror.request("POST", f"/v2/app/blobs/uploads/?digest={digest}", data)[0]
                    != 201
                ):
                    return
            except (OSError, http.client.HTTPException):
                return
            acknowledged.append(digest)

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) >= 20)
    mirror.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()
    with Mirror(root) as again:
        for digest in acknowledged:
            assert again.request("HEAD", f"/v2/app/blobs/{digest}")[0] == 200
    with Store.open(root) as store:
        store.collect()
        assert list(store.fsck()) == []
        assert set(acknowledged) <= set(store.blobs.digests())


def test_a_transfer_ends_before_the_server_does(tmp_path: Path) -> None:
    root, data = tmp_path / "store", bytes(40 << 20)
    digest = Digest.of(data)
    with Mirror(root) as mirror:
        assert mirror.request("POST", f"/v2/app/blobs/uploads/?digest={digest}", data)[0] == 201
        connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=60)
        connection.request("GET", f"/v2/app/blobs/{digest}")
        with connection.getresponse() as response:
            first = response.read(1000)
            mirror.process.send_signal(signal.SIGTERM)
            until(lambda: "stopping" in mirror.log.read_text())
            time.sleep(0.5)
            assert mirror.process.poll() is None
            assert first + response.read() == data
        connection.close()
        assert mirror.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_push_ends_before_the_server_does(tmp_path: Path, workers: str) -> None:
    data = random.Random(15).randbytes(3_000_000)
    digest = Digest.of(data)
    with Mirror(tmp_path / "store", "--workers", workers) as mirror:
        with RawConnection(mirror.port) as wire:
            asked = request("POST", f"/v2/app/blobs/uploads/?digest={digest}", data)
            wire.send(asked[:1_500_000])
            until(lambda: any((tmp_path / "store" / "uploads").glob("*")))
            mirror.process.send_signal(signal.SIGTERM)
            until(lambda: "stopping" in mirror.log.read_text())
            time.sleep(0.5)
            assert mirror.process.poll() is None
            wire.send(asked[1_500_000:])
            assert wire.reply("POST").status == 201
        assert mirror.stop() == 0
    with Store.open(tmp_path / "store") as store:
        assert list(store.fsck()) == []
    assert (
        tmp_path / "store" / "blobs" / "sha256" / digest.hex[:2] / digest.hex
    ).read_bytes() == data


def test_a_stalled_push_does_not_keep_the_server_running(tmp_path: Path) -> None:
    with Mirror(tmp_path / "store", "--grace", "1") as mirror, RawConnection(mirror.port) as wire:
        wire.send(
            request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(b'')}", bytes(100_000))[
                :50_000
            ]
        )
        until(lambda: any((tmp_path / "store" / "uploads").glob("*")))
        began = time.monotonic()
        assert mirror.stop() == 0
        # A server that is not stopped waits a minute for the remaining body.
        assert time.monotonic() - began < 30
        assert wire.ends()


def test_several_workers_share_an_address(tmp_path: Path) -> None:
    with Mirror(tmp_path / "store", "--workers", "3") as mirror:
        for number in range(20):
            data = b"%d" % number
            assert (
                mirror.request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data)[0]
                == 201
            )
            assert mirror.request("GET", f"/v2/app/blobs/{Digest.of(data)}")[2] == data
        assert mirror.stop() == 0


def test_a_worker_that_dies_is_replaced_and_none_outlives_the_first(tmp_path: Path) -> None:
    with Mirror(tmp_path / "store", "--workers", "2") as mirror:
        before = children(mirror.process.pid)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(after := children(mirror.process.pid)) == 2 and min(before) not in after)
        assert mirror.request("GET", "/healthz")[0] == 200
        after = children(mirror.process.pid)
        mirror.stop(signal.SIGKILL)
    until(lambda: not any(map(is_running, after)))


def test_users_are_reloaded_and_every_request_is_logged(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"alice:{bcrypt.hashpw(b'secret', bcrypt.gensalt(rounds=4)).decode()}\n")
    alice = {"Authorization": "Basic YWxpY2U6c2VjcmV0"}
    with Mirror(
        tmp_path / "store",
        "--htpasswd",
        str(users),
        "--no-anonymous",
        "--workers",
        "2",
        first=UNWATCHED,
    ) as mirror:
        # A request's line is written after its answer is sent, and a different worker may get the
        # next request.
        assert mirror.request("GET", "/v2/?token=secret", headers=alice)[0] == 200
        until(lambda: len(_requests(mirror)) == 1)
        assert mirror.request("GET", "/metrics")[0] == 401
        until(lambda: len(_requests(mirror)) == 2)
        status, headers, text = mirror.request("GET", "/metrics", headers=alice)
        assert (status, headers["Content-Type"]) == (
            200,
            "text/plain; version=0.0.4; charset=utf-8",
        )
        assert (
            b'storectl_http_requests_total{resource="base",method="GET",status="200"} 1\n' in text
        )
        users.write_text("# nobody\n")
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: mirror.log.read_text().count("loaded the new") == 2)
        # A file without users denies every request, instead of allowing every request.
        assert mirror.request("POST", "/v2/app/blobs/uploads/", b"")[0] == 401
        assert mirror.request("GET", "/v2/_catalog")[0] == 401
        assert mirror.stop() == 0
    assert [(line["path"], line["status"], line["user"]) for line in _requests(mirror)[:2]] == [
        ("/v2/", 200, "alice"),
        ("/metrics", 401, None),
    ]
    assert "secret" not in mirror.log.read_text()
    assert "YWxpY2U6c2VjcmV0" not in mirror.log.read_text()


def _requests(mirror: Mirror) -> list[dict[str, object]]:
    """Return the complete lines of the log that describe requests."""
    lines = [
        json.loads(line)
        for line in mirror.log.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]
    return [line for line in lines if line["logger"] == "mirror.access"]


def test_an_import_by_another_command_is_served_at_once(tmp_path: Path) -> None:
    root = tmp_path / "store"
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.image(images.A, tags=("demo:1",)).bytes())
    with Mirror(root) as mirror:
        assert mirror.request("GET", "/v2/demo/manifests/1")[0] == 404
        assert storectl("--root", str(root), "import", "-q", str(archive)).returncode == 0
        assert mirror.request("GET", "/v2/demo/manifests/1")[0] == 200


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(key),
        "-out",
        str(chain),
        *subject,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return chain, key


def test_tls_with_users_and_client_certificates(tmp_path: Path) -> None:
    chain, key = _certificate(tmp_path, "server")
    client, client_key = _certificate(tmp_path, "client")
    users = tmp_path / "users"
    users.write_text(f"alice:{bcrypt.hashpw(b'secret', bcrypt.gensalt(rounds=4)).decode()}\n")
    options = [
        "--tls-cert",
        str(chain),
        "--tls-key",
        str(key),
        "--tls-client-ca",
        str(client),
        "--htpasswd",
        str(users),
        "--no-anonymous",
    ]
    data = bytes(range(256)) * 20_000
    with Mirror(tmp_path / "store", *options) as mirror:
        context = ssl.create_default_context(cafile=str(chain))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _ask(mirror, context, "GET", "/v2/")
        context.load_cert_chain(client, client_key)
        assert _ask(mirror, context, "GET", "/v2/")[0] == 401
        alice = {"Authorization": "Basic YWxpY2U6c2VjcmV0"}
        assert _ask(mirror, context, "GET", "/v2/", headers=alice)[0] == 200
        digest = Digest.of(data)
        assert (
            _ask(
                mirror,
                context,
                "POST",
                f"/v2/app/blobs/uploads/?digest={digest}",
                data,
                headers=alice,
            )[0]
            == 201
        )
        assert _ask(mirror, context, "GET", f"/v2/app/blobs/{digest}", headers=alice) == (200, data)
        assert mirror.stop() == 0
    assert "secret" not in mirror.log.read_text()


def _ask(
    mirror: Mirror,
    context: ssl.SSLContext,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection("127.0.0.1", mirror.port, timeout=60, context=context)
    try:
        connection.request(method, path, body, headers or {})
        with connection.getresponse() as response:
            return response.status, response.read()
    finally:
        connection.close()


def test_invalid_settings_are_reported(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    chain, key = _certificate(tmp_path, "server")
    users = tmp_path / "users"
    users.write_text("alice:plain\n")
    taken = socket.create_server(("127.0.0.1", 0))
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", str(key), "-out", str(locked)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    for code, *options in (
        (2, "--listen", "nowhere"),
        (2, "--listen", "127.0.0.1:99999"),
        (2, "--tls-cert", str(chain)),
        (2, "--tls-client-ca", str(chain)),
        (2, "--no-anonymous"),
        (2, "--open", "--htpasswd", str(users)),
        (2, "--open", "--read-only"),
        (2, "--allowed-host", "mirror.example.com:5000"),
        (2, "--trusted-proxy", "proxy.example.com"),
        (2, "--trusted-proxy", "10.0.0.1/8"),
        (2, "--trusted-proxy", "::/0"),
        (2, "--default-domain", "corp"),
        (2, "--default-domain", "no such"),
        (2, "--default-domain", "quay.io/team"),
        (2, "--require-children", "--accept-missing-blobs"),
        (4, "--htpasswd", str(users)),
        (4, "--tls-cert", str(key), "--tls-key", str(chain)),
        (4, "--tls-cert", str(chain), "--tls-key", str(locked)),
        (10, "--listen", "192.0.2.1:0"),
        (10, "--listen", "no.such.host.invalid:0"),
        (10, "--listen", f"127.0.0.1:{taken.getsockname()[1]}"),
        (10, "--read-only"),
    ):
        done = storectl(
            "--root",
            root if code != 10 or "--listen" in options else f"{root}-none",
            "serve",
            "--listen",
            "127.0.0.1:0",
            *options,
        )
        assert done.returncode == code, (options, done.stderr)
        # The first run of the loop logs that it created the store.
        said = [line for line in done.stderr.splitlines() if "created a store" not in line]
        assert said[0].startswith("storectl: error: ")
        assert "Traceback" not in done.stderr
        # OpenSSL's own message names its source file, which does not help a reader.
        assert "_ssl.c" not in done.stderr
    taken.close()
