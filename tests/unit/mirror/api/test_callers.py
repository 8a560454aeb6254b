"""The authentication of requests that arrive on a socket."""

from __future__ import annotations

import base64
import http.client
from typing import TYPE_CHECKING

import bcrypt

from mirror.access import Access
from mirror.service import MirrorSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mirror_in_process import InProcessMirror


def test_anonymous_clients_read_and_users_write(serve: Callable[..., InProcessMirror]) -> None:
    users = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4))}
    ask = serve(MirrorSettings(access=Access(users)))
    alice = f"Basic {base64.b64encode(b'alice:secret').decode()}"
    refused = ask("POST", "/v2/app/blobs/uploads/")
    assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
    host = f"127.0.0.1:{ask.port}"
    assert (
        refused.headers["WWW-Authenticate"] == "Bearer"
        f' realm="http://{host}/token",service="{host}",scope="repository:library/app:pull,push"'
    )
    assert ask("POST", "/v2/app/blobs/uploads/", Authorization=alice).status == 202
    assert ask("GET", "/v2/app/tags/list").status == 404
    assert (
        ask("GET", "/v2/", Authorization=f"Basic {base64.b64encode(b'alice:x').decode()}").status
        == 401
    )
    assert ask("GET", "/v2/", Authorization="Bearer expired").status == 401
    # Wrong passwords are counted as events for the operator; expired tokens are not.
    assert b'storectl_events_total{event="login_failures"} 1\n' in ask("GET", "/metrics").body
    closed = serve(MirrorSettings(access=Access(users, anonymous_read=False)))
    assert closed("GET", "/v2/").status == 401
    assert closed("GET", "/v2/_catalog", Authorization=alice).status == 200
    assert closed("GET", "/healthz").status == 200


def test_user_logs_in_while_another_network_keeps_the_queue_of_passwords_busy(
    serve: Callable[..., InProcessMirror],
) -> None:
    users = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=10))}
    ask = serve(MirrorSettings(access=Access(users, anonymous_read=False)))
    guesses = []
    for number in range(60):
        guess = http.client.HTTPConnection(
            "127.0.0.1", ask.port, source_address=(f"127.1.{number}.1", 0)
        )
        wrong = base64.b64encode(f"user-{number}:x".encode()).decode()
        guess.request("GET", "/v2/", headers={"Authorization": f"Basic {wrong}"})
        guesses.append(guess)
    alice = f"Basic {base64.b64encode(b'alice:secret').decode()}"
    assert ask("GET", "/v2/", Authorization=alice).status == 200
    # A disconnected client's password is not compared, so the queue is soon empty.
    for guess in guesses:
        guess.close()


def test_password_that_is_too_long_is_refused_with_the_reason(
    serve: Callable[..., InProcessMirror],
) -> None:
    users = {"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(rounds=4))}
    ask = serve(MirrorSettings(access=Access(users)))
    long = f"Basic {base64.b64encode(b'alice:' + b'x' * 73).decode()}"
    refused = ask("GET", "/v2/", Authorization=long)
    assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
    assert b"the password has 73 bytes, and at most 72 are allowed" in refused.body
