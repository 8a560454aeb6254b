"""Certificates: the server's own, and those that clients have to show."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.errors import InvalidInput, StoreError
from store.files.os_errors import Whose, reading_input, translate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Buffer


@final
class HalfClosing(ssl.SSLObject):
    """One connection's TLS, whose peer may stop sending and go on reading.

    With ``close_notify`` a peer says that it sends no more; it "does not have any effect on its
    read side" (RFC 8446 section 6.1; Go's ``CloseWrite`` relies on it, and Go's server and nginx
    answer). Event loops take it for the end of both directions, and drop the answer: so they are
    not told of it. Whoever sets ``on_end`` is, and has to close the connection.
    """

    on_end: Callable[[], None] | None = None
    _ended: bool = False

    def read(self, len: int = 1024, buffer: Buffer | None = None) -> bytes:  # noqa: A002 - the standard library's signature
        """As of any other, but that nothing ever ends."""
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

    With ``clients``, a client has to show a certificate that these authorities signed.
    """

    chain: Path
    key: Path
    clients: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are taken over when they change."""
        return (
            (self.chain, self.key) if self.clients is None else (self.chain, self.key, self.clients)
        )

    def context(self) -> ssl.SSLContext:
        """What connections are served with. Raises InvalidInput, Unavailable and its branches."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslobject_class = HalfClosing
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        if self.clients is not None:
            try:
                context.load_verify_locations(self.clients)
            except ssl.SSLError as exc:
                raise InvalidInput(
                    f"{self.clients} holds no certificates: {exc.reason or exc}"
                ) from exc
            except OSError as exc:
                raise _unreadable(exc, self.clients) from exc
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            # Nobody is there to be asked for the password of a key.
            context.load_cert_chain(self.chain, self.key, password=lambda: b"")
        except ssl.SSLError as exc:
            # OpenSSL gives no reason for text that is none of its own, nor for the key that it
            # cannot read without being told a password.
            said = exc.reason or "not PEM, or a key with a password"
            hint = "both have to be PEM, and the key must not ask for a password"
            raise InvalidInput(
                f"{self.chain} and {self.key} are no certificate with its key: {said}", hint=hint
            ) from exc
        except OSError as exc:
            raise _unreadable(exc, self.chain, self.key) from exc


def _unreadable(error: OSError, *paths: Path) -> StoreError:
    """What kept OpenSSL from reading one of ``paths``: it does not say which."""
    for path in paths:
        try:
            with reading_input(path):
                path.open("rb").close()
        except StoreError as exc:
            return exc
    return translate(error, " or ".join(map(str, paths)), whose=Whose.INPUT)
