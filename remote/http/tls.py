"""TLS contexts: trusted authorities, and the certificates that identify the client."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, final

from store.errors import InvalidInput, printable

if TYPE_CHECKING:
    from pathlib import Path

    from remote.http.settings import RegistrySettings


@final
class TLSContexts:
    """The TLS contexts of a client, made once for each set of settings.

    Args:
        ca_files: Files with certificates of authorities that replace those of the system; empty to
            trust the system's.
    """

    def __init__(self, ca_files: tuple[Path, ...] = ()) -> None:
        self._ca_files = ca_files
        self._made: dict[tuple[RegistrySettings, bool], ssl.SSLContext] = {}

    def context_for(self, settings: RegistrySettings, *, is_registry: bool) -> ssl.SSLContext:
        """Return the context for a connection.

        Args:
            settings: The settings of the registry that the request is about.
            is_registry: Whether the connection leads to the registry itself. A client certificate
                is never shown to another host, such as a token service or a content network.

        Raises:
            InvalidInput: A file cannot be read or has no certificate, or a key does not fit its
                certificate.
        """
        is_identified = is_registry and bool(settings.client_certificates)
        key = settings, is_identified
        if key not in self._made:
            # To read the certificates of the system takes 20 ms.
            self._made[key] = self._make(settings, is_identified=is_identified)
        return self._made[key]

    def _make(self, settings: RegistrySettings, *, is_identified: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        if settings.tls_verify:
            for path in self._ca_files:
                _trust(context, path)
            if not self._ca_files:
                context.load_default_certs()
            for path in settings.ca_files:
                _trust(context, path)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if is_identified:
            for certificate, private_key in settings.client_certificates:
                _identify(context, certificate, private_key)
        return context


def _trust(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as fault:
        raise _invalid("CA file", path, fault) from fault


def _identify(context: ssl.SSLContext, certificate: Path, private_key: Path) -> None:
    def refuse_to_ask() -> str:
        raise InvalidInput(
            f"invalid client key {printable(str(private_key))!r}: the key is encrypted",
            hint="give a key without a passphrase, which only its owner may read",
        )

    try:
        context.load_cert_chain(certificate, private_key, refuse_to_ask)
    except (OSError, ssl.SSLError) as fault:
        raise _invalid("client certificate", certificate, fault) from fault


def _invalid(what: str, path: Path, fault: OSError) -> InvalidInput:
    reason = getattr(fault, "reason", None) or fault.strerror or "expected PEM"
    return InvalidInput(
        f"invalid {what} {printable(str(path))!r}: {str(reason).lower().replace('_', ' ')}",
        hint="check that the file is readable, and has certificates and keys in PEM form",
    )
