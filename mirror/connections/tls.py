"""TLS: the server's certificate, client certificates, and half-closed connections."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self, final

from mirror.connections.pem_files import certificate_fault, refuse, validity_fault
from store.errors import InvalidInput, StoreError
from store.files.input_modes import require_secret, require_unwritable
from store.files.os_errors import Whose, reading_input, translate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Buffer


logger = logging.getLogger(__name__)

_PLAIN_TEXT: Final = b"this server expects HTTPS: write https:// in the address\n"
PLAIN_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_PLAIN_TEXT), _PLAIN_TEXT)
)
"""The answer to a plain HTTP request at the address of an HTTPS server."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@final
class HalfClosableTLS(ssl.SSLObject):
    """TLS for one connection; the peer may stop sending, and still receive an answer.

    With ``close_notify`` a peer announces that it sends no more bytes. The peer may still read:
    ``close_notify`` "does not have any effect on its read side" (RFC 8446 section 6.1). Clients
    that use Go's ``CloseWrite`` expect an answer after ``close_notify``; Go's server and nginx send
    the answer. Event loops treat ``close_notify`` as the end of both directions and drop the
    answer. So if ``on_end`` is set, `read` hides ``close_notify`` from the loop and calls
    ``on_end``. The code that set ``on_end`` has to close the connection.
    """

    on_end: Callable[[], None] | None = None
    _ended: bool = False
    _outgoing: ssl.MemoryBIO | None = None

    @classmethod
    def _create(
        cls,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401 - the standard library's signature
    ) -> Self:
        # The standard library creates its objects with this method only.
        made: Self = super()._create(incoming, outgoing, *args, **kwargs)  # type: ignore[misc]
        made._outgoing = outgoing
        return made

    def do_handshake(self) -> None:
        """Begin TLS; answer a client that sends a plain HTTP request, in plain HTTP.

        Raises:
            ssl.SSLError: The handshake failed, or needs more bytes.
        """
        try:
            super().do_handshake()
        except ssl.SSLError as exc:
            if exc.reason != "HTTP_REQUEST" or self._outgoing is None:
                raise
            self._outgoing.write(PLAIN_ANSWER)
            # The event loop sends the answer, and drops the connection when the client closes it,
            # or after the time for a handshake.
            raise ssl.SSLWantReadError from None

    def read(self, len: int = 1024, buffer: Buffer | None = None) -> bytes:  # noqa: A002 - the standard library's signature
        """Read like `SSLObject.read`, but report ``close_notify`` through ``on_end``.

        Args:
            len: How many bytes to read at most.
            buffer: Receives the bytes; None to return them.

        Raises:
            ssl.SSLWantReadError: The peer has to send more bytes, or has sent ``close_notify``.
        """
        data = super().read(len, buffer)
        if data or self.on_end is None:
            return data
        if not self._ended:
            self._ended = True
            self.on_end()
        raise ssl.SSLWantReadError


@final
@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its key, in PEM files.

    Args:
        chain: The file with the server's certificate chain.
        key: The file with the private key of the certificate.
        clients: The file with certificate authorities; every client then needs a certificate that
            one of these authorities has signed. None to require no client certificate.
        clock: Returns the current time; an expired certificate is reported.
    """

    chain: Path
    key: Path
    clients: Path | None = None
    clock: Callable[[], datetime] = field(default=_utc_now, repr=False, compare=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files to watch for changes."""
        return (
            (self.chain, self.key) if self.clients is None else (self.chain, self.key, self.clients)
        )

    def context(self) -> ssl.SSLContext:
        """Return a new TLS context from the current files.

        Raises:
            InvalidInput: A file is missing or is not valid PEM, or the key does not belong to the
                certificate or has a password.
            PermissionDenied: Other users may write to a file.
            Unavailable: A file cannot be read.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslobject_class = HalfClosableTLS
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        if self.clients is not None:
            try:
                context.load_verify_locations(self.clients)
            except ssl.SSLError as exc:
                what = "client authorities"
                raise certificate_fault(self.clients, what) or InvalidInput(
                    f"invalid {what} {self.clients}: {exc.reason or exc}",
                    hint="expected certificates in PEM",
                ) from exc
            except OSError as exc:
                raise _unreadable(exc, self.clients) from exc
            context.verify_mode = ssl.CERT_REQUIRED
        # Invalid files are reported before their modes.
        for path in self.paths:
            (require_secret if path == self.key else require_unwritable)(path)
        for path in self.paths:
            fault = None if path == self.key else validity_fault(path, self.clock())
            if fault is not None:
                logger.warning("%s: clients will refuse the connection", fault)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            # A server has no terminal where OpenSSL could ask for the password of a key.
            context.load_cert_chain(self.chain, self.key, password=lambda: b"")
        except ssl.SSLError as exc:
            raise refuse(self.chain, self.key, exc) from exc
        except OSError as exc:
            raise _unreadable(exc, self.chain, self.key) from exc


def _unreadable(error: OSError, *paths: Path) -> StoreError:
    """Return an error that names the first unreadable file; OpenSSL's own error names no file."""
    for path in paths:
        try:
            with reading_input(path):
                path.open("rb").close()
        except StoreError as exc:
            return exc
    return translate(error, " or ".join(map(str, paths)), whose=Whose.INPUT)
