"""Files with certificates and keys: what is wrong with them, and how long they are valid."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mirror.connections.pem_files import validity, validity_fault
from mirror.connections.tls import Certificate
from store.errors import InvalidInput
from tests.support.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all kinds of files that are given in place of another one."""
    folder = tmp_path_factory.mktemp("pem")
    made = make_certificate(folder)
    other = tmp_path_factory.mktemp("other")
    make_certificate(other)
    (other / "key").rename(folder / "other-key")
    openssl("x509", "-in", made.chain, "-outform", "der", "-out", folder / "der")
    openssl("pkey", "-in", made.key, "-aes256", "-passout", "pass:x", "-out", folder / "locked")
    openssl("pkey", "-in", made.key, "-outform", "der", "-out", folder / "key-der")
    openssl("req", "-new", "-key", made.key, "-subj", "/CN=x", "-out", folder / "request")
    (folder / "empty").write_bytes(b"")
    (folder / "text").write_text("no PEM")
    return folder


@pytest.mark.parametrize(
    ("chain", "key", "says"),
    [
        ("cert", "other-key", "the key does not belong to the certificate"),
        ("cert", "locked", "it has a password, and a server has nobody to ask for it"),
        ("key", "cert", "it has a private key and no certificate"),
        ("cert", "cert", "it has a certificate and no private key"),
        ("request", "key", "it is a request for a certificate"),
        ("der", "key", "it is not PEM but DER"),
        ("cert", "key-der", "it is not PEM but DER"),
        ("empty", "key", "it is empty"),
        ("cert", "empty", "it is empty"),
        ("text", "key", "it is not PEM"),
    ],
)
def test_the_error_says_what_the_file_is(files: Path, chain: str, key: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Certificate(files / chain, files / key).context()
    assert says in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("name", ["key", "text", "der", "empty"])
def test_authorities_are_certificates(files: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=f"invalid client authorities .*{name}: it"):
        Certificate(files / "cert", files / "key", files / name).context()


def test_the_times_of_a_certificate_are_read(files: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((files / "cert").read_text())
    begins, ends = validity(der)
    assert ends - begins == timedelta(days=2)
    assert abs(datetime.now(UTC) - begins) < timedelta(days=1)
    for length in (*range(60), 200):
        with pytest.raises((ValueError, IndexError)):
            validity(der[:length] if length < 60 else bytes(length))


def test_a_certificate_is_valid_between_its_times(files: Path) -> None:
    path = files / "cert"
    begins, ends = validity(ssl.PEM_cert_to_DER_cert(path.read_text()))
    assert validity_fault(path, begins) is validity_fault(path, ends) is None
    late = validity_fault(path, ends + timedelta(seconds=1))
    assert late == f"the certificate {path} expired on {ends:%Y-%m-%d}"
    early = validity_fault(path, begins - timedelta(days=3))
    assert early is not None
    assert "is not valid before 20" in early
    assert validity_fault(files / "text", begins) is None


def test_dates_after_2049_are_read(files: Path, tmp_path: Path) -> None:
    openssl(
        *("req", "-x509", "-key", files / "key", "-subj", "/CN=x", "-days", 20_000),
        *("-out", tmp_path / "long"),
    )
    _, ends = validity(ssl.PEM_cert_to_DER_cert((tmp_path / "long").read_text()))
    assert ends.year > 2079
