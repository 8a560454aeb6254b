"""Import aiohttp without the certificates of the system's authorities.

aiohttp makes two TLS contexts while it is imported, and reads all certificates for each of them:
forty milliseconds of processor time, as much as half of a pull of a small image. This program
gives each request a context of its own (`remote.http.tls`), and a server verifies nobody with
aiohttp's. The contexts that aiohttp makes here trust nobody: a request that used them would fail.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["aiohttp"]


@contextmanager
def without_authorities() -> Iterator[None]:
    """Let the TLS contexts that are made in the block trust no authority of the system."""

    def trust_nobody(_context: ssl.SSLContext) -> None:
        """Do nothing, in place of reading certificates."""

    # `ssl` inherits the method from a class of C, which comes back when this one is deleted.
    ssl.SSLContext.set_default_verify_paths = trust_nobody  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


with without_authorities():
    import aiohttp
