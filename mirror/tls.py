"""Certificates: the server's own, and those that clients have to show."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.errors import InvalidInput
from store.oserrors import translate

if TYPE_CHECKING:
    from pathlib import Path


@final
@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its key, in PEM files; with ``clients``, a client has to show a certificate that these authorities signed."""

    chain: Path
    key: Path
    clients: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are taken over when they change."""
        return (self.chain, self.key) if self.clients is None else (self.chain, self.key, self.clients)

    def context(self) -> ssl.SSLContext:
        """What connections are served with. Raises InvalidInput, Unavailable and its branches."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        if self.clients is not None:
            try:
                context.load_verify_locations(self.clients)
            except ssl.SSLError as exc:
                raise InvalidInput(f"{self.clients} holds no certificates: {exc.reason or exc}") from exc
            except OSError as exc:
                raise translate(exc, self.clients) from exc
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            # Nobody is there to be asked for the password of a key.
            context.load_cert_chain(self.chain, self.key, password=lambda: b"")
        except ssl.SSLError as exc:
            raise InvalidInput(f"{self.chain} and {self.key} are no certificate with its key: {exc.reason or exc}") from exc
        except OSError as exc:
            raise translate(exc, "the certificate or its key") from exc
