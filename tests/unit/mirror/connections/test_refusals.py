"""Requests that are refused before any handler is called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from mirror.connections.refusals import MAX_FIELD_BYTES, MAX_HEAD_BYTES, MAX_LINE_BYTES
from store.model.digests import Digest
from tests.support.raw_http import RawConnection, request

if TYPE_CHECKING:
    from tests.support.mirror_in_process import InProcessMirror
    from tests.support.raw_http import Reply

HEALTHY = request("GET", "/healthz")
HEAD = b"GET /v2/ HTTP/1.1\r\nHost: h\r\n"
PUT = b"PUT /v2/app/manifests/x HTTP/1.1\r\nHost: h\r\n"
POST = (
    b"POST /v2/app/blobs/uploads/?digest=sha256:"
    + b"0" * 64
    + b" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
)
BROKEN = b"no size\r\n"


def refused(reply: Reply, status: int) -> str:
    """Check that an answer is an error body as the specification requires; return its message."""
    assert reply.status == status
    assert reply.header("content-type") == "application/json"
    assert reply.header("server") == "storectl"
    assert "aiohttp" not in str(reply.fields)
    (error,) = reply.json["errors"]
    assert error["code"] in ("UNKNOWN", "UNSUPPORTED", "SIZE_INVALID")
    message: str = error["message"]
    return message


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /v2/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://user:SECRET@[::1/v2/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (HEAD + b"X: SECRET\0\r\n\r\n", 400),
        (PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (PUT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (PUT + b"Transfer-Encoding: chunked\r\n\r\n" + BROKEN, 400),
        (PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 501),
        (b"GET /v2/ HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /v2/\r\n\r\n", 505),
        (b"GET /" + b"a" * MAX_LINE_BYTES + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (HEAD + b"X: " + b"a" * (MAX_FIELD_BYTES + 1) + b"\r\n\r\n", 431),
        (HEAD + b"a" * (MAX_FIELD_BYTES + 1) + b": x\r\n\r\n", 431),
        (HEAD + b"X: a\r\n" * 200 + b"\r\n", 431),
        (HEAD + b"".join(b"X%d: %b\r\n" % (number, b"a" * 30_000) for number in range(40)), 431),
    ],
)
def test_invalid_http_is_refused_in_the_form_of_the_specification(
    ask: InProcessMirror, sent: bytes, status: int
) -> None:
    with RawConnection(ask.port) as wire:
        wire.send(sent)
        reply = wire.reply()
        assert "SECRET" not in refused(reply, status)
        assert reply.header("connection") == "close"
        assert wire.ends()
    assert ask("GET", "/healthz").status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 404),
        (b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", 404),
        (HEAD + b"Expect: the-unexpected\r\n\r\n", 417),
    ],
)
def test_request_without_a_handler_is_refused_in_the_form_of_the_specification(
    ask: InProcessMirror, sent: bytes, status: int
) -> None:
    with RawConnection(ask.port) as wire:
        wire.send(sent)
        refused(wire.reply(), status)
        assert wire.ask("GET", "/healthz").status == 200


def test_failure_before_the_handler_is_answered_in_the_form_of_the_specification(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("SECRET")

    monkeypatch.setattr("mirror.app.note_origin", fail)
    with RawConnection(ask.port) as wire:
        reply = wire.ask("GET", "/v2/")
        assert refused(reply, 500) == "the registry failed"
        assert reply.header("connection") == "close"
        assert wire.ends()


def test_invalid_body_ends_its_request(ask: InProcessMirror) -> None:
    with RawConnection(ask.port, timeout_s=10) as wire:
        wire.send(POST)
        assert wire.is_silent(0.2)
        wire.send(BROKEN)
        reply = wire.reply("POST")
        assert refused(reply, 400) == "incomplete request body"
        assert reply.header("connection") == "close"
        # There is one answer for the request, and then the connection ends.
        assert wire.ends()


def test_invalid_body_of_a_waiting_request_ends_it(ask: InProcessMirror) -> None:
    data = b"a" * 20_000_000
    assert ask("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data).status == 201
    with RawConnection(ask.port, timeout_s=10) as wire:
        wire.send(request("GET", f"/v2/app/blobs/{Digest.of(data)}"))
        wire.send(POST)
        assert not wire.is_silent(1)
        wire.send(BROKEN)
        assert wire.reply().body == data
        refused(wire.reply("POST"), 400)
        assert wire.ends()


def test_body_may_be_longer_than_any_head(ask: InProcessMirror) -> None:
    data = bytes(20 * MAX_HEAD_BYTES)
    with RawConnection(ask.port) as wire:
        # The server reads and drops the body, because the path is unknown.
        assert wire.ask("PUT", "/v2/app/nothing", data).status == 404
        assert (
            wire.ask("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data).status == 201
        )
        assert wire.ask("GET", "/healthz").status == 200


def test_pipelined_requests_are_all_answered(ask: InProcessMirror) -> None:
    data = bytes(3 * MAX_HEAD_BYTES)
    push = request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data)
    with RawConnection(ask.port) as wire:
        wire.send((HEALTHY * 50 + push) * 3)
        for _ in range(3):
            assert [wire.reply().status for _ in range(50)] == [200] * 50
            assert wire.reply("POST").status == 201
        assert wire.is_silent()


def test_head_that_never_ends_is_cut_off(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.connections.refusals.HEAD_TIMEOUT_S", 0.5)
    with RawConnection(ask.port) as first, RawConnection(ask.port) as later:
        later.send(HEALTHY)
        assert later.reply().status == 200
        first.send(HEAD)
        later.send(HEAD)
        assert first.ends()
        assert later.ends()


def test_head_that_arrives_in_pieces_is_answered(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.connections.refusals.HEAD_TIMEOUT_S", 0.5)
    with RawConnection(ask.port) as wire:
        for piece in (HEALTHY[:10], HEALTHY[10:20]):
            wire.send(piece)
            assert wire.is_silent()
        wire.send(HEALTHY[20:])
        assert wire.reply().status == 200
        # An idle connection has no head that could end.
        assert wire.is_silent(1)
        assert wire.ask("GET", "/healthz").status == 200


def test_answer_is_finished_although_the_next_head_is_incomplete(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"a" * 20_000_000
    assert ask("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data).status == 201
    monkeypatch.setattr("mirror.connections.refusals.HEAD_TIMEOUT_S", 0.2)
    with RawConnection(ask.port, timeout_s=10) as wire:
        wire.send(request("GET", f"/v2/app/blobs/{Digest.of(data)}"))
        time.sleep(0.1)
        wire.send(HEAD)
        time.sleep(0.5)
        assert wire.reply().body == data
        assert wire.ends()
