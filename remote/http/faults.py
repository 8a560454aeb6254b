"""Faults of a request, and what the errors of the HTTP library mean."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

from remote.errors import (
    CertificateRefused,
    InvalidAnswer,
    Offline,
    RegistryError,
    RegistryFailed,
    Unreachable,
    UnsafeTarget,
)
from remote.http.connectors import ForbiddenAddress, OfflineRefusal
from remote.http.lean_aiohttp import aiohttp
from store.errors import printable

if TYPE_CHECKING:
    from yarl import URL

NETWORK_ERRORS: Final = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError)
"""The errors that the HTTP library raises for a fault of the network or of an answer."""

_PLAIN_ANSWERS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
_MAX_TEXT: Final = 200


@final
class Fault(Exception):
    """A request that failed, with the error to report if no retry succeeds.

    Attributes:
        error: The error for the user.
        is_transient: Whether a retry may succeed.
        retry_after_s: The pause that the registry asks for, in seconds; None if it does not.
        is_slow: Whether bytes arrived, but too slowly.
    """

    def __init__(
        self,
        error: RegistryError,
        *,
        is_transient: bool = False,
        retry_after_s: float | None = None,
        is_slow: bool = False,
    ) -> None:
        super().__init__(error.message)
        self.is_slow = is_slow
        self.error = error
        self.is_transient = is_transient
        self.retry_after_s = retry_after_s


def translate(
    fault: BaseException, *, action: str, url: URL, registry: str, repository: str
) -> Fault:
    """Return what an error of the HTTP library means.

    Args:
        fault: One of `NETWORK_ERRORS`.
        action: What was tried, in the words of the message: ``read manifest r.example/app:1``.
        url: The URL of the request; the message names only its host.
        registry: The registry.
        repository: The repository.
    """
    cause = _deepest(fault)
    meaning = next(
        meaning
        for kinds, meaning in _MEANINGS
        if isinstance(fault, kinds) or isinstance(cause, kinds)
    )
    reason = meaning.reason.format(
        host=place(url),
        cause=_reason(cause),
        status=getattr(fault, "status", ""),
    )
    error = meaning.kind(
        f"cannot {action}: {reason}",
        registry=registry,
        repository=repository,
        hint=meaning.hint,
    )
    return Fault(error, is_transient=meaning.is_transient)


_Kinds: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]


@dataclass(frozen=True)
class _Meaning:
    kind: type[RegistryError]
    reason: str
    is_transient: bool = False
    hint: str | None = None


_MEANINGS: Final[tuple[tuple[_Kinds, _Meaning], ...]] = (
    (OfflineRefusal, _Meaning(Offline, "offline: no request is sent to {host}")),
    (
        ForbiddenAddress,
        _Meaning(UnsafeTarget, "the registry names the host {host}, which has a private address"),
    ),
    (
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        _Meaning(
            CertificateRefused,
            "the certificate of {host} is not trusted: {cause}",
            hint="name the file of the authority that signed the certificate",
        ),
    ),
    (
        (aiohttp.ClientConnectorDNSError, socket.gaierror),
        _Meaning(Unreachable, "the host {host} has no address: {cause}", is_transient=True),
    ),
    (
        aiohttp.ClientProxyConnectionError,
        _Meaning(Unreachable, "the proxy cannot be reached: {cause}", is_transient=True),
    ),
    (
        aiohttp.ClientHttpProxyError,
        _Meaning(Unreachable, "the proxy does not connect to {host}: it answered {status}"),
    ),
    (ssl.SSLError, _Meaning(Unreachable, "TLS with {host} failed: {cause}")),
    (
        (aiohttp.ClientConnectorError, ConnectionRefusedError),
        _Meaning(Unreachable, "cannot connect to {host}: {cause}", is_transient=True),
    ),
    (
        asyncio.TimeoutError,
        _Meaning(Unreachable, "{host} did not answer in time", is_transient=True),
    ),
    (
        (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, OSError),
        _Meaning(
            RegistryFailed,
            "{host} ended the connection before the answer was complete",
            is_transient=True,
        ),
    ),
    (BaseException, _Meaning(InvalidAnswer, "{host} sent an answer that is not HTTP: {cause}")),
)
"""What each error means; the first one that fits counts."""


def speaks_plain_http(fault: BaseException | None) -> bool:
    """Return whether a server seems to speak HTTP without TLS, or ends connections with TLS.

    Args:
        fault: The error of the HTTP library for a request with TLS; None for none.
    """
    if fault is None:
        return False
    cause = _deepest(fault)
    if isinstance(cause, ssl.SSLError):
        return getattr(cause, "reason", None) in _PLAIN_ANSWERS
    return isinstance(fault, aiohttp.ClientConnectorError) and isinstance(cause, ConnectionError)


def place(url: URL) -> str:
    """Return the host of a URL with its port, as messages name it.

    Paths and queries may hold secrets, such as the signature of a redirect.
    """
    port = "" if url.is_default_port() or url.port is None else f":{url.port}"
    return printable(f"{url.host or ''}{port}")


def _deepest(fault: BaseException) -> BaseException:
    """Return the error of the system that an error of the library carries."""
    for name in ("os_error", "certificate_error", "_os_error"):
        inner = getattr(fault, name, None)
        if isinstance(inner, BaseException):
            return _deepest(inner)
    return fault


def _reason(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        text = cause.verify_message
    elif isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "reason", None)
        text = (
            "the server does not speak TLS"
            if reason in _PLAIN_ANSWERS
            else str(reason or cause).lower().replace("_", " ")
        )
    elif isinstance(cause, aiohttp.ClientResponseError):
        # Its text has the URL, which may hold a secret, and quotes the answer on several lines.
        text = cause.message.partition("\n")[0].rstrip(":") or type(cause).__name__
    else:
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return printable(str(text)[:_MAX_TEXT])
