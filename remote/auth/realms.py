"""The address of a token service: which ones may get credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from yarl import URL

if TYPE_CHECKING:
    from remote.auth.scopes import Scopes

_MAX_CHARACTERS: Final = 4096


def safe_realm(realm: str, registry: URL) -> URL:
    """Return the address of a token service, if credentials may be sent there.

    Args:
        realm: The address as the registry's challenge states it.
        registry: The URL of the registry.

    Raises:
        ValueError: The address is not safe; the text is the reason.
    """
    try:
        url = URL(realm)
    except ValueError:
        url = URL()
    if len(realm) > _MAX_CHARACTERS or not url.host or url.scheme not in {"http", "https"}:
        raise ValueError("its address is not an absolute http or https URL")
    if url.user is not None or url.password is not None:
        raise ValueError("its address has a user name")
    if registry.scheme == "https" and url.scheme != "https":
        raise ValueError("its address is without TLS, but the registry has TLS")
    return url.with_fragment(None)


def token_query(realm: URL, service: str, scopes: Scopes) -> URL:
    """Return the URL of the request for a token.

    Args:
        realm: The address of the token service. It may have parameters of its own.
        service: The name of the registry at the service; empty for none.
        scopes: The permissions to ask for.
    """
    pairs = [("service", service)] if service else []
    pairs += [("scope", scope.text) for scope in scopes]
    return realm.extend_query(pairs)
