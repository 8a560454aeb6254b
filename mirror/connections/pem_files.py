"""Files with certificates and keys in PEM: what is wrong with them, and how long they are valid."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from store.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)
_SEQUENCE: Final = 0x30
_EXPLICIT_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_CENTURY_BREAK: Final = 50
_MAX_BYTES: Final = 1 << 20

_REASONS: Final = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "KEY_TYPE_MISMATCH": "the key does not belong to the certificate",
    "EE_KEY_TOO_SMALL": "the key is too short to be safe",
    "CA_MD_TOO_WEAK": "the certificate is signed with a hash that is not safe",
}
_HINT: Final = "name a PEM file with a certificate, and one with its key without a password"


def refuse(chain: Path, key: Path, error: ssl.SSLError) -> InvalidInput:
    """Return the error for a certificate and a key that OpenSSL does not accept.

    Args:
        chain: The file with the server's certificate chain.
        key: The file with the private key.
        error: The error of OpenSSL, which gives no reason for a file that is not PEM.
    """
    fault = certificate_fault(chain) or _key_fault(key)
    if fault is not None:
        return fault
    reason = _REASONS.get(error.reason or "", error.reason or "they are not valid PEM")
    return InvalidInput(f"invalid certificate {chain} or key {key}: {reason}", hint=_HINT)


def certificate_fault(path: Path, what: str = "certificate") -> InvalidInput | None:
    """Return the error for a file without a certificate in PEM; None if it has one.

    Args:
        path: A readable file.
        what: The name of the file's content in the message.
    """
    data = _head(path)
    if _CERTIFICATE.search(data):
        return None
    if b"CERTIFICATE REQUEST-----" in data:
        reason = "it is a request for a certificate, and the certificate is made from it"
        hint = "name the file that the authority sent back"
    elif b"PRIVATE KEY-----" in data:
        reason, hint = "it has a private key and no certificate", "are both files exchanged?"
    else:
        reason, hint = _form(data), f"convert it to PEM: `openssl x509 -in {path} -out NEW.pem`"
    return InvalidInput(f"invalid {what} {path}: {reason}", hint=hint)


def _key_fault(path: Path) -> InvalidInput | None:
    data = _head(path)
    if b"ENCRYPTED" in data:
        reason = "it has a password, and a server has nobody to ask for it"
        hint = f"write the key without a password: `openssl pkey -in {path} -out NEW.pem`"
    elif b"PRIVATE KEY-----" in data:
        return None
    elif b"BEGIN CERTIFICATE-----" in data:
        reason, hint = "it has a certificate and no private key", "are both files exchanged?"
    else:
        reason, hint = _form(data), f"convert it to PEM: `openssl pkey -in {path} -out NEW.pem`"
    return InvalidInput(f"invalid key {path}: {reason}", hint=hint)


def _form(data: bytes) -> str:
    if not data.strip():
        return "it is empty"
    # A sequence of DER, in which certificates, keys and PKCS #12 files are written.
    return "it is not PEM but DER" if data.startswith(b"\x30\x82") else "it is not PEM"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES)


def validity_fault(path: Path, now: datetime) -> str | None:
    """Return why clients will refuse the first certificate of a file; None if it is valid now.

    Args:
        path: A file with a certificate in PEM.
        now: The current time.
    """
    found = _CERTIFICATE.search(_head(path))
    try:
        begins, ends = validity(ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")))  # type: ignore[index]
    except (ValueError, IndexError, TypeError):
        # OpenSSL has read the file, so this reader does not know a form that is allowed.
        return None
    if now > ends:
        return f"the certificate {path} expired on {ends:%Y-%m-%d}"
    if now < begins:
        return f"the certificate {path} is not valid before {begins:%Y-%m-%d %H:%M} UTC"
    return None


def validity(der: bytes) -> tuple[datetime, datetime]:
    """Return the times from and until which a certificate is valid (RFC 5280 section 4.1.2.5).

    Args:
        der: The certificate in DER.

    Raises:
        ValueError: The bytes are not a certificate.
        IndexError: The bytes end early.
    """
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    tag, _, after = _element(rest)
    if tag == _EXPLICIT_VERSION:
        rest = after
    # The serial number, the algorithm and the issuer come first.
    for _ in range(3):
        _, _, rest = _element(rest)
    tag, times, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("expected the validity of a certificate")
    first, begins, times = _element(times)
    second, ends, _ = _element(times)
    return _time(first, begins), _time(second, ends)


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and the content of the first element of ``data``, and what follows it."""
    tag, size, start = data[0], data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start])
    return tag, data[start : start + size], data[start + size :]


def _time(tag: int, text: bytes) -> datetime:
    digits = text.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        digits = ("20" if int(digits[:2]) < _CENTURY_BREAK else "19") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
