"""Changes of certificates, rules and workers during ``storectl serve``, and the server's end."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import bcrypt
import pytest

from mirror.access.throttle import BURST
from store.model.digests import Digest
from tests.support.mirror_process import NO_REFILL, UNWATCHED, Mirror
from tests.support.processes import children, open_files
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

OPEN = """
[[rule]]
repositories = ["**"]
who = ["@all"]
allow = ["read", "write", "delete"]
"""
CLOSED = """
[[rule]]
repositories = ["public/**"]
who = ["@all"]
allow = ["read", "write"]
"""


def workers(mirror: Mirror) -> set[int]:
    return children(mirror.process.pid)


def took_over(mirror: Mirror, times: int) -> bool:
    return mirror.log.read_text().count("loaded the new certificate") == times


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a key and a self-signed certificate, which is its own authority; return their paths."""
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = [
        "openssl",
        "req",
        "-x509",
        *kind,
        "-subj",
        f"/CN={name}",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(chain)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return chain, key


class Client:
    """A TLS client with a certificate, which resumes sessions if the server allows it."""

    def __init__(
        self, mirror: Mirror, server: Path, own: tuple[Path, Path], version: ssl.TLSVersion
    ) -> None:
        self._port = mirror.port
        self._context = ssl.create_default_context(cafile=str(server))
        self._context.minimum_version = self._context.maximum_version = version
        self._context.load_cert_chain(*own)
        self._session: ssl.SSLSession | None = None

    def is_let_in(self) -> bool:
        try:
            with (
                socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S) as plain,
                self._context.wrap_socket(
                    plain, server_hostname="127.0.0.1", session=self._session
                ) as wrapped,
            ):
                wrapped.sendall(
                    b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                )
                answer = wrapped.recv(1000)
                self._session = wrapped.session
                return answer.startswith(b"HTTP/1.1 200")
        except (ssl.SSLError, ConnectionError):
            return False


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"]
)
@pytest.mark.parametrize("count", ["1", "2"])
def test_a_removed_authority_is_no_longer_trusted(
    count: str, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    chain, key = certificate(tmp_path, "server")
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(first[0].read_bytes())
    options = [
        "--tls-cert",
        str(chain),
        "--tls-key",
        str(key),
        "--tls-client-ca",
        str(authorities),
        "--workers",
        count,
    ]
    with Mirror(tmp_path / "store", *options, first=UNWATCHED) as mirror:
        before, after = (Client(mirror, chain, own, version) for own in (first, second))
        for _ in range(3):
            assert before.is_let_in()
        assert not after.is_let_in()
        authorities.write_bytes(b"half of a file")
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: mirror.log.read_text().count("cannot load the new certificate") == int(count))
        assert before.is_let_in()
        authorities.write_bytes(second[0].read_bytes())
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: mirror.log.read_text().count("loaded the new certificate") == int(count))
        for _ in range(5):
            # The session of the earlier connection does not help either.
            assert not before.is_let_in()
            assert after.is_let_in()
        assert mirror.stop() == 0
    assert "Traceback" not in mirror.log.read_text()


def test_an_open_connection_outlives_a_renewal(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "server")
    with Mirror(
        tmp_path / "store", "--tls-cert", str(chain), "--tls-key", str(key), first=UNWATCHED
    ) as mirror:
        connection = http.client.HTTPSConnection(
            "127.0.0.1",
            mirror.port,
            timeout=PATIENCE_S,
            context=ssl.create_default_context(cafile=str(chain)),
        )
        for turn in range(3):
            connection.request("GET", "/v2/")
            with connection.getresponse() as response:
                assert response.status == 200
                response.read()
            mirror.process.send_signal(signal.SIGHUP)
            until(partial(took_over, mirror, turn + 1))
        descriptors = len(open_files(mirror.process.pid))
        for turn in range(3, 6):
            mirror.process.send_signal(signal.SIGHUP)
            until(partial(took_over, mirror, turn + 1))
        until(lambda: len(open_files(mirror.process.pid)) <= descriptors)
        connection.close()


def test_a_mount_obeys_the_current_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(OPEN)
    data = b"for a few only"
    digest = Digest.of(data)
    with Mirror(
        tmp_path / "store", "--rules", str(rules), "--auth", "basic", first=UNWATCHED
    ) as mirror:
        assert mirror.request("POST", f"/v2/secret/blobs/uploads/?digest={digest}", data)[0] == 201
        rules.write_text(CLOSED)
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: "loaded the new users and rules" in mirror.log.read_text())
        for source in ("&from=secret", ""):
            status, headers, _ = mirror.request(
                "POST", f"/v2/public/app/blobs/uploads/?mount={digest}{source}"
            )
            assert status == 202
            assert "uploads" in headers["Location"]
        assert mirror.request("GET", f"/v2/public/app/blobs/{digest}")[0] == 404


def test_a_restarted_worker_has_the_current_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(OPEN)
    with Mirror(
        tmp_path / "store",
        "--rules",
        str(rules),
        "--auth",
        "basic",
        "--workers",
        "2",
        first=UNWATCHED,
    ) as mirror:
        assert mirror.request("GET", "/v2/secret/tags/list")[0] == 404
        rules.write_text(CLOSED)
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: mirror.log.read_text().count("loaded the new users and rules") == 2)
        old = workers(mirror)
        for process in old:
            os.kill(process, signal.SIGKILL)
        until(lambda: len(workers(mirror)) == 2 and not workers(mirror) & old)
        for _ in range(20):
            assert mirror.request("GET", "/v2/secret/tags/list")[0] == 401


@pytest.mark.parametrize("broken", ["half [", None])
def test_a_restarted_worker_does_not_return_to_the_first_rules(
    broken: str | None, tmp_path: Path
) -> None:
    """The rules file is invalid or missing when the worker restarts."""
    rules = tmp_path / "rules.toml"
    rules.write_text(OPEN)
    with Mirror(
        tmp_path / "store",
        "--rules",
        str(rules),
        "--auth",
        "basic",
        "--workers",
        "2",
        first=UNWATCHED,
    ) as mirror:
        rules.write_text(CLOSED)
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: mirror.log.read_text().count("loaded the new users and rules") == 2)
        if broken is None:
            rules.unlink()
        else:
            rules.write_text(broken)
        old = workers(mirror)
        for process in old:
            os.kill(process, signal.SIGKILL)
        until(lambda: len(workers(mirror)) == 2 and not workers(mirror) & old)
        for _ in range(20):
            assert mirror.request("GET", "/v2/secret/tags/list")[0] == 401
        rules.write_text(OPEN)
        mirror.process.send_signal(signal.SIGHUP)
        until(lambda: mirror.log.read_text().count("loaded the new users and rules") == 4)
        assert mirror.request("GET", "/v2/secret/tags/list")[0] == 404


def test_failures_to_log_in_are_counted_by_all_workers_together(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"alice:{bcrypt.hashpw(b'secret', bcrypt.gensalt(rounds=4)).decode()}\n")
    with Mirror(
        tmp_path / "store", "--htpasswd", str(users), "--workers", "4", "-q", first=NO_REFILL
    ) as mirror:
        statuses = []
        for number in range(4 * BURST):
            wrong = base64.b64encode(f"alice:guess {number}".encode()).decode()
            statuses.append(
                mirror.request("GET", "/v2/", headers={"Authorization": f"Basic {wrong}"})[0]
            )
        assert statuses == [401] * BURST + [429] * (3 * BURST)


def turns_away(port: int) -> bool:
    """Return whether the server refuses a new connection instead of leaving it in the backlog."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("count", ["1", "2"])
def test_new_connections_are_refused_while_it_ends(count: str, tmp_path: Path) -> None:
    data = hashlib.sha256(b"x").digest() * (1 << 20)
    digest = Digest.of(data)
    with Mirror(tmp_path / "store", "--workers", count) as mirror:
        assert mirror.request("POST", f"/v2/app/blobs/uploads/?digest={digest}", data)[0] == 201
        connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=60)
        connection.request("GET", f"/v2/app/blobs/{digest}")
        with connection.getresponse() as response:
            first = response.read(1000)
            mirror.process.send_signal(signal.SIGTERM)
            until(lambda: turns_away(mirror.port))
            assert mirror.process.poll() is None
            assert first + response.read() == data
        connection.close()
        assert mirror.stop() == 0
