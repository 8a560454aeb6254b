"""Documents in memory arrive whole over sockets and through aiohttp."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from mirror import app
from mirror.api.routes import Resource
from mirror.transfer import client_progress, send_document
from tests.support.raw_transfers import SMALL, read, send_requests, slow_client
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirror.service import Service
    from tests.support.mirror_in_process import InProcessMirror

DOCUMENT = SMALL * 4


@pytest.fixture
def ask(serve: Callable[..., InProcessMirror], monkeypatch: pytest.MonkeyPatch) -> InProcessMirror:
    """Start a mirror that answers /healthz with a document."""

    async def answer(_service: Service, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(DOCUMENT))})
        await send_document.send_document(request, response, DOCUMENT)
        return response

    monkeypatch.setitem(app._PUBLIC, Resource.HEALTHZ, answer)
    return serve()


@pytest.mark.parametrize("is_plain", [True, False], ids=["socket", "aiohttp"])
def test_a_document_arrives_whole(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch, *, is_plain: bool
) -> None:
    monkeypatch.setattr(send_document, "is_plain_socket", lambda _request: is_plain)
    assert ask("GET", "/healthz").body == DOCUMENT
    with send_requests(ask, "/healthz", "/healthz") as client:
        data = read(client, 2 * len(DOCUMENT), piece_bytes=1 << 18)
        while data.count(DOCUMENT) < 2:
            data += client.recv(1 << 18)


@pytest.mark.parametrize("is_plain", [True, False], ids=["socket", "aiohttp"])
def test_a_client_that_reads_nothing_is_cut_off(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch, *, is_plain: bool
) -> None:
    monkeypatch.setattr(send_document, "is_plain_socket", lambda _request: is_plain)
    monkeypatch.setattr(client_progress, "STALL_S", 0.2)
    with slow_client(ask, "/healthz") as client:
        assert read(client, 1)
        until(lambda: not ask.connections)
        got = bytearray()
        with suppress(ConnectionError):
            while piece := client.recv(1 << 18):
                got += piece
        assert len(got) < len(DOCUMENT)
