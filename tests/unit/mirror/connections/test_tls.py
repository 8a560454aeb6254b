"""Certificates, and TLS connections that the client closes in one direction."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mirror.connections.tls import Certificate, HalfClosableTLS
from store.errors import InvalidInput, PermissionDenied
from tests.support.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def test_client_certificates_are_required_only_with_authorities(certificate: Certificate) -> None:
    assert certificate.context().verify_mode is ssl.CERT_NONE
    required = Certificate(certificate.chain, certificate.key, certificate.chain)
    assert required.context().verify_mode is ssl.CERT_REQUIRED
    assert required.paths == (certificate.chain, certificate.key, certificate.chain)
    assert certificate.paths == (certificate.chain, certificate.key)


def test_invalid_files_are_named(certificate: Certificate, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no PEM")
    for chain, key, clients in (
        (text, certificate.key, None),
        (certificate.chain, text, None),
        (certificate.chain, certificate.key, text),
    ):
        with pytest.raises(InvalidInput) as refused:
            Certificate(chain, key, clients).context()
        assert str(text) in refused.value.message
        assert refused.value.hint is not None


def test_a_certificate_that_is_not_valid_now_is_reported(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    later = datetime.now(UTC) + timedelta(days=30)
    replace(certificate, clock=lambda: later).context()
    assert f"the certificate {certificate.chain} expired on 20" in caplog.text
    assert "clients will refuse the connection" in caplog.text


def test_files_that_other_users_may_change_are_refused(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    certificate = Certificate(made.chain, made.key, made.chain)
    for path in {*certificate.paths}:
        before = path.stat().st_mode
        path.chmod(0o622)
        with pytest.raises(PermissionDenied):
            certificate.context()
        path.chmod(before)
    certificate.context()


def test_a_key_that_every_user_may_read_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = make_certificate(tmp_path)
    certificate.chain.chmod(0o644)
    certificate.key.chmod(0o600)
    certificate.context()
    assert not caplog.records
    certificate.key.chmod(0o644)
    certificate.context()
    assert f"chmod o-r {certificate.key}" in caplog.text


def test_missing_file_is_named(certificate: Certificate, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for chain, key in ((missing, certificate.key), (certificate.chain, missing)):
        with pytest.raises(InvalidInput) as failed:
            Certificate(chain, key).context()
        assert str(missing) in failed.value.message
        assert str(certificate.chain) not in failed.value.message


def test_end_of_the_client_is_reported_once_and_hidden_from_the_loop(
    certificate: Certificate,
) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificate.context().wrap_bio(to_server, to_client, server_side=True)
    context = ssl.create_default_context(cafile=str(certificate.chain))
    context.check_hostname = False
    client = context.wrap_bio(to_client, to_server)
    assert isinstance(server, HalfClosableTLS)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    ends: list[bool] = []
    server.on_end = lambda: ends.append(True)
    client.write(b"request")
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()
    assert server.read(100) == b"request"
    for _ in range(2):
        with pytest.raises(ssl.SSLWantReadError):
            server.read(100)
    assert ends == [True]
    server.write(b"answer")
    assert client.read(100) == b"answer"


def test_a_plain_request_gets_a_plain_answer(certificate: Certificate) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificate.context().wrap_bio(to_server, to_client, server_side=True)
    to_server.write(b"GET /v2/ HTTP/1.1\r\nHost: mirror\r\n\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    answer = to_client.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"this server expects HTTPS" in body
    to_server.write(b"x" * 100)
    with pytest.raises(ssl.SSLError):
        server.do_handshake()


def test_other_bytes_get_no_answer(certificate: Certificate) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificate.context().wrap_bio(to_server, to_client, server_side=True)
    to_server.write(b"\x00" * 100)
    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    assert b"HTTP" not in to_client.read()
