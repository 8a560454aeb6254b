"""The token endpoint, requested over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from mirror.access import Access, read_rules
from mirror.service import MirrorSettings
from tests.support.logins import RULES, TOKEN, USERS, basic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mirror_in_process import InProcessMirror


@pytest.fixture
def guarded(serve: Callable[..., InProcessMirror]) -> InProcessMirror:
    return serve(MirrorSettings(access=Access(USERS)))


def form(**members: str) -> bytes:
    return urlencode(members).encode()


def test_password_is_exchanged_for_a_token(guarded: InProcessMirror) -> None:
    for answer in (
        guarded("GET", "/token", Authorization=basic("alice", "secret")),
        guarded("POST", "/token", b"grant_type=password&username=alice&password=secret"),
    ):
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["token"] == answer.json["access_token"]
        upload = guarded(
            "POST", "/v2/app/blobs/uploads/", Authorization=f"Bearer {answer.json['token']}"
        )
        assert upload.status == 202


def test_anonymous_token_allows_what_anonymous_callers_may_do(guarded: InProcessMirror) -> None:
    bearer = f"Bearer {guarded('GET', '/token').json['token']}"
    assert guarded("GET", "/v2/", Authorization=bearer).status == 200
    assert guarded("POST", "/v2/app/blobs/uploads/", Authorization=bearer).status == 401


def test_token_is_not_exchanged_for_a_new_one(guarded: InProcessMirror) -> None:
    issued = (
        guarded("GET", "/token"),
        guarded("GET", "/token", Authorization=basic("alice", "secret")),
    )
    for token in (one.json["token"] for one in issued):
        answer = guarded("GET", "/token?account=alice", Authorization=f"Bearer {token}")
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_permanent_token_is_exchanged_for_a_signed_one(
    serve: Callable[..., InProcessMirror],
) -> None:
    ask = serve(MirrorSettings(access=Access(rules=read_rules(RULES))))
    answer = ask("GET", "/token", Authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    bearer = f"Bearer {answer.json['token']}"
    assert ask("POST", "/v2/team/app/blobs/uploads/", Authorization=bearer).status == 202


def test_wrong_password_is_asked_for_again(guarded: InProcessMirror) -> None:
    answer = guarded("GET", "/token", Authorization=basic("alice", "wrong"))
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_anonymous_caller_that_may_read_nothing_gets_no_token(
    serve: Callable[..., InProcessMirror],
) -> None:
    closed = serve(MirrorSettings(access=Access(USERS, anonymous_read=False)))
    answer = closed("GET", "/token")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff", 400),
        (b"&".join(b"a=1" for _ in range(60)), 400),
        (form(grant_type="refresh_token"), 400),
        (b"", 400),
        (b"x" * 20_000, 413),
    ],
)
def test_invalid_form_is_refused(body: bytes, status: int, guarded: InProcessMirror) -> None:
    assert guarded("POST", "/token", body).status == status
