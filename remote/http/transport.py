"""Requests over HTTP/1.1, one at a time: no retries, no redirects, no authentication."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, final

from remote.http.channels import ChannelConnector
from remote.http.connectors import (
    ForbiddenAddress,
    OfflineConnector,
    RecordingResolver,
    Sockets,
    guarded_connector,
    is_public,
    open_connector,
)
from remote.http.lean_aiohttp import aiohttp
from remote.http.rate import RateLimit
from remote.http.tls import TLSContexts

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from yarl import URL

    from remote.http.settings import ClientSettings, RegistrySettings

logger = logging.getLogger(__name__)

_MAX_HEADER_BYTES: Final = 32 * 1024
_CLOSING_TURNS: Final = 3
"""The turns of the event loop in which closed connections end."""
_READ_BYTES: Final = 1024 * 1024


@final
class Transport:
    """The connections of a client, and the counts of its requests.

    Attributes:
        settings: The settings of the client.
        rate: The limit for all transfers.
        requests: The requests sent so far, by method.
        received_bytes: The bytes of blobs received so far.
        sent_bytes: The bytes of blobs sent so far.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.rate = RateLimit(settings.rate_bytes_s, settings.timing)
        self.requests: dict[str, int] = {}
        self.received_bytes = 0
        self.sent_bytes = 0
        self._resolver: RecordingResolver | None = None
        self._channels: list[ChannelConnector] = []
        self._sockets = Sockets()
        self._contexts = TLSContexts(settings.ca_files)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def send(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        registry: RegistrySettings,
        is_registry: bool,
        is_guarded: bool = False,
        body: bytes | AsyncIterable[bytes] | None = None,
        answer_timeout_s: float | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request, and return the answer as soon as its headers are here.

        Args:
            method: The method.
            url: The absolute URL.
            headers: The headers, except those that every request has.
            registry: The settings of the registry that the request is about.
            is_registry: Whether the URL leads to the registry itself.
            is_guarded: Whether only public addresses may be connected to.
            body: The body, if any. For parts, the headers have ``Content-Length``.
            answer_timeout_s: The longest silence, in seconds; None for that of the settings.

        Raises:
            aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError: The request failed;
                `remote.http.faults.translate` says what it means.
        """
        settings = self.settings
        self.requests[method] = self.requests.get(method, 0) + 1
        proxy = settings.proxies.proxy_for(url)
        if is_guarded and proxy is not None:
            # Only the proxy knows the addresses of names.
            if not self.is_public(url.host or ""):
                raise ForbiddenAddress(url.host)
            is_guarded = False
        logger.debug("request method=%s host=%s path=%s", method, url.host, url.path)
        response = await self._session(is_guarded=is_guarded).request(
            method,
            url,
            headers={
                "User-Agent": settings.user_agent,
                # Digests are of the bytes as they are stored.
                "Accept-Encoding": "identity",
                **headers,
            },
            data=body,
            allow_redirects=False,
            ssl=(
                # To read the certificates of the system takes longer than a short transfer.
                True
                if url.scheme == "http" and proxy is None
                else self._contexts.context_for(registry, is_registry=is_registry)
            ),
            proxy=proxy,
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=settings.connect_timeout_s,
                sock_read=answer_timeout_s or settings.idle_timeout_s,
            ),
        )
        logger.debug("answer status=%d host=%s path=%s", response.status, url.host, url.path)
        return response

    def _session(self, *, is_guarded: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(is_guarded)
        if session is None:
            limit = self.settings.connections_per_host
            connector: aiohttp.BaseConnector
            if self.settings.is_offline:
                connector = OfflineConnector()
            elif self.settings.program is not None:
                # All requests go there: no answer can lead to another machine.
                connector = ChannelConnector(self.settings.program, connections=limit)
                self._channels.append(connector)
            elif is_guarded:
                connector = guarded_connector(self._sockets, connections_per_host=limit)
            else:
                self._resolver = RecordingResolver()
                connector = open_connector(
                    self._resolver, self._sockets, connections_per_host=limit
                )
            session = self._sessions[is_guarded] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=_READ_BYTES,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return session

    def is_public(self, host: str) -> bool:
        """Return whether a host that requests were sent to is on the internet.

        Args:
            host: A name or an address.

        Returns:
            Whether all addresses of the host are public. A host behind a proxy, whose addresses
            are not known here, counts as public if it is not an address itself.
        """
        try:
            return is_public(host.strip("[]"))
        except ValueError:
            pass
        known = self._resolver.addresses.get(host) if self._resolver is not None else None
        return host != "localhost" if not known else all(is_public(one) for one in known)

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
        self._sockets.shut()
        for channel in self._channels:
            await channel.finished()
        for _ in range(_CLOSING_TURNS if sessions else 0):
            await asyncio.sleep(0)
