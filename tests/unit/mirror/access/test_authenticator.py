"""Authentication of callers with a password, a token or a certificate."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import bcrypt
import pytest

from mirror.access import (
    ANONYMOUS,
    Access,
    AuthenticationFailed,
    Authenticator,
    Caller,
    LoginHistory,
    read_rules,
)
from mirror.access.authenticator import REMEMBERED_S, Password, is_signed_token
from mirror.access.throttle import BURST, TOKEN_BURST
from mirror.access.tokens import LIFETIME_S
from tests.support.clocks import StillClock
from tests.support.logins import RULES, TOKEN, USERS, basic, log_in


def test_credentials_prove_a_caller() -> None:
    authenticator = Authenticator(Access(USERS), b"key", StillClock(), StillClock(), LoginHistory())
    assert log_in(authenticator, None) == ANONYMOUS
    assert log_in(authenticator, basic("alice", "secret")) == Caller("alice")
    assert log_in(authenticator, None, certificate="robot.example") == ANONYMOUS
    known = Authenticator(
        Access(USERS, rules=read_rules(RULES)), b"key", StillClock(), StillClock(), LoginHistory()
    )
    assert log_in(known, None, certificate="robot.example") == Caller("robot")
    assert log_in(known, None, certificate="other.example") == ANONYMOUS
    assert log_in(known, f"Bearer {known.token(ANONYMOUS)}", certificate="robot.example") == Caller(
        "robot"
    )
    wrong = [
        basic("alice", "wrong"),
        basic("bob", "secret"),
        basic("bob", ""),
        "Basic !",
        "Basic YWxpY2U=",
        "Bearer x",
        "Basic YWxpY2U6AA==",
        "Basic /zo=",
        "Digest x",
    ]
    for one in [*wrong, "Basic " + "A" * 10_000]:
        with pytest.raises(AuthenticationFailed):
            log_in(authenticator, one)


def test_correct_password_is_compared_again_after_an_hour_or_a_change() -> None:
    clock = StillClock()
    authenticator = Authenticator(Access(USERS), b"key", clock, clock, LoginHistory())
    alice = basic("alice", "secret")
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)
    log_in(authenticator, alice)
    assert authenticator.authenticate(alice, address="10.0.0.1") == Caller("alice")
    assert isinstance(
        authenticator.authenticate(basic("alice", "other"), address="10.0.0.1"), Password
    )
    authenticator.access = Access({"alice": bcrypt.hashpw(b"new", bcrypt.gensalt(rounds=4))})
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)
    authenticator.access = Access(USERS)
    clock.now += REMEMBERED_S
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)


def test_remembered_password_does_not_help_a_network_that_guesses() -> None:
    clock = StillClock()
    authenticator = Authenticator(Access(USERS), b"key", clock, clock, LoginHistory())
    alice = basic("alice", "secret")
    log_in(authenticator, alice)
    for _ in range(BURST):
        with pytest.raises(AuthenticationFailed):
            log_in(authenticator, basic("alice", "guessed"), address="10.0.0.2")
    with pytest.raises(AuthenticationFailed) as refused:
        authenticator.authenticate(alice, address="10.0.0.2")
    assert refused.value.wait_s > 0
    assert authenticator.authenticate(alice, address="10.0.0.1") == Caller("alice")


def test_password_that_changes_during_the_comparison_is_refused() -> None:
    class Changing(dict[str, bytes]):
        def get(self, user: str, default: Any = None, /) -> Any:  # noqa: ANN401 - as a dictionary's
            authenticator.access = Access(
                {"alice": bcrypt.hashpw(b"new", bcrypt.gensalt(rounds=4))}
            )
            return super().get(user, default)

    clock = StillClock()
    authenticator = Authenticator(Access(Changing(USERS)), b"key", clock, clock, LoginHistory())
    alice = basic("alice", "secret")
    with pytest.raises(AuthenticationFailed):
        authenticator.check_password(Password("alice", b"secret"), address="10.0.0.1")
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)


def test_token_of_the_rules_proves_its_name() -> None:
    authenticator = Authenticator(
        Access(USERS, rules=read_rules(RULES)), b"key", StillClock(), StillClock(), LoginHistory()
    )
    assert log_in(authenticator, f"Bearer {TOKEN}") == Caller("ci")
    assert log_in(authenticator, basic("ci", TOKEN)) == Caller("ci")
    for wrong in (
        f"Bearer {TOKEN[:-1]}",
        basic("root", TOKEN),
        basic("ci", "other"),
    ):
        with pytest.raises(AuthenticationFailed):
            log_in(authenticator, wrong)


def test_signed_token_is_valid_until_it_expires_or_its_user_changes() -> None:
    clock = StillClock()
    authenticator = Authenticator(Access(USERS), b"key", clock, clock, LoginHistory())
    token = authenticator.token(Caller("alice"))
    assert log_in(authenticator, f"Bearer {token}") == Caller("alice")
    assert log_in(authenticator, f"bearer {authenticator.token(ANONYMOUS)}") == ANONYMOUS
    other = Authenticator(Access(USERS), b"another key", clock, clock, LoginHistory())
    with pytest.raises(AuthenticationFailed):
        log_in(other, f"Bearer {token}")
    payload, _, mac = token.partition(".")
    forged = (
        base64.urlsafe_b64encode(f'["root",{int(clock.now) + 100}]'.encode()).decode().rstrip("=")
    )
    for one in (
        f"{forged}.{mac}",
        payload,
        f"{payload}.",
        f"{payload}.{mac}x",
        f"W10.{mac}",
        f"bnVsbA.{mac}",
        "ä.ä",
        ".",
    ):
        with pytest.raises(AuthenticationFailed):
            log_in(authenticator, f"Bearer {one}", address=one)
    authenticator.access = Access({"alice": bcrypt.hashpw(b"new", bcrypt.gensalt(rounds=4))})
    with pytest.raises(AuthenticationFailed):
        log_in(authenticator, f"Bearer {token}")
    authenticator.access = Access({"bob": b""})
    with pytest.raises(AuthenticationFailed):
        log_in(authenticator, f"Bearer {token}")
    authenticator.access = Access(USERS)
    clock.now += LIFETIME_S
    with pytest.raises(AuthenticationFailed):
        log_in(authenticator, f"Bearer {token}")


def test_signed_token_ends_with_every_credential_of_its_user() -> None:
    rules = read_rules(
        RULES.replace('"robot.example" = "robot"', '"robot.example" = "alice"\n"b.example" = "bob"')
    )
    authenticator = Authenticator(
        Access(USERS, rules=rules), b"key", StillClock(), StillClock(), LoginHistory()
    )
    tokens = {user: authenticator.token(Caller(user)) for user in ("alice", "ci", "bob")}
    for user, token in tokens.items():
        assert log_in(authenticator, f"Bearer {token}") == Caller(user)
    # The file of users stays: alice loses only her certificate, ci its token.
    authenticator.access = Access(
        USERS, rules=replace(rules, tokens={}, certificates={"b.example": "bob"})
    )
    assert log_in(authenticator, f"Bearer {tokens['bob']}") == Caller("bob")
    for user in ("alice", "ci"):
        with pytest.raises(AuthenticationFailed):
            log_in(authenticator, f"Bearer {tokens[user]}")


def test_credentials_of_different_kinds_differ() -> None:
    keys = (b"key", StillClock(), StillClock(), LoginHistory())
    rules = read_rules(RULES)
    found = [
        Authenticator(access, *keys).fingerprint("alice")
        for access in (
            Access({"alice": b"x"}),
            Access(rules=replace(rules, tokens={"alice": "x"})),
            Access(rules=replace(rules, certificates={"x": "alice"})),
            Access({"alice": b"x"}, rules=replace(rules, tokens={"alice": "x"})),
            Access(rules=rules),
        )
    ]
    assert len(set(found)) == len(found)
    assert found[-1] is None


def test_signed_tokens_are_recognised() -> None:
    authenticator = Authenticator(Access(USERS), b"key", StillClock(), StillClock(), LoginHistory())
    token = authenticator.token(ANONYMOUS)
    assert is_signed_token(f"Bearer {token}")
    assert is_signed_token(f"bearer  {token} ")
    for other in (None, "", token, f"Basic {token}", f"Bearer {TOKEN}", f"Bearer {token}x"):
        assert not is_signed_token(other)


def test_password_that_waited_while_others_failed_is_not_compared() -> None:
    authenticator = Authenticator(Access(USERS), b"key", StillClock(), StillClock(), LoginHistory())
    waiting = [
        authenticator.authenticate(basic("alice", f"guess {number}"), address="10.0.0.1")
        for number in range(BURST + 5)
    ]
    waits = []
    for one in waiting:
        assert isinstance(one, Password)
        with pytest.raises(AuthenticationFailed) as refused:
            authenticator.check_password(one, address="10.0.0.1")
        waits.append(refused.value.wait_s > 0)
    assert waits == [False] * BURST + [True] * 5


def test_network_with_many_failures_waits_except_for_remembered_passwords() -> None:
    authenticator = Authenticator(Access(USERS), b"key", StillClock(), StillClock(), LoginHistory())
    log_in(authenticator, basic("alice", "secret"))
    for number in range(BURST):
        with pytest.raises(AuthenticationFailed) as refused:
            log_in(authenticator, basic("alice", f"guess {number}"))
        assert refused.value.wait_s == 0
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(authenticator, basic("alice", "one more"))
    assert refused.value.wait_s > 0
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(authenticator, "Bearer expired")
    assert refused.value.wait_s == 0
    assert log_in(authenticator, basic("alice", "secret")) == Caller("alice")


def test_correct_password_is_remembered_for_all_networks_and_processes() -> None:
    clock, history = StillClock(), LoginHistory()
    log_in(Authenticator(Access(USERS), b"key", clock, clock, history), basic("alice", "secret"))
    other = Authenticator(Access(USERS), b"key", clock, clock, history)
    assert other.authenticate(basic("alice", "secret"), address="192.0.2.1") == Caller("alice")
    assert other.throttle.knows("alice", "192.0.2.1")


@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_password_that_is_too_long_is_refused_without_a_comparison(user: str) -> None:
    authenticator = Authenticator(Access(USERS), b"key", StillClock(), StillClock(), LoginHistory())
    with pytest.raises(AuthenticationFailed) as refused:
        authenticator.authenticate(basic(user, "x" * 73), address="10.0.0.1")
    assert "73 bytes" in refused.value.fact
    assert isinstance(
        authenticator.authenticate(basic(user, "x" * 72), address="10.0.0.1"), Password
    )


def _with_rules() -> Authenticator:
    return Authenticator(
        Access(USERS, rules=read_rules(RULES)), b"key", StillClock(), StillClock(), LoginHistory()
    )


def test_network_that_guesses_tokens_waits_except_for_remembered_tokens() -> None:
    authenticator = _with_rules()
    assert log_in(authenticator, f"Bearer {TOKEN}") == Caller("ci")
    for number in range(TOKEN_BURST):
        with pytest.raises(AuthenticationFailed) as refused:
            log_in(authenticator, f"Bearer guess-{number}")
        assert refused.value.wait_s == 0
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(authenticator, "Bearer guess")
    assert refused.value.wait_s > 0
    assert log_in(authenticator, f"Bearer {TOKEN}") == Caller("ci")
    # A guess of another network that waits is not compared, not even with the right token.
    for number in range(TOKEN_BURST):
        with pytest.raises(AuthenticationFailed):
            log_in(authenticator, f"Bearer guess-{number}", address="10.0.0.2")
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(authenticator, f"Bearer {TOKEN}", address="10.0.0.2")
    assert refused.value.wait_s > 0
    assert log_in(authenticator, f"Bearer {authenticator.token(Caller('alice'))}", "10.0.0.2") == (
        Caller("alice")
    )


def test_repeated_and_expired_tokens_are_no_guesses() -> None:
    authenticator = _with_rules()
    earlier = Authenticator(Access(USERS), b"old", StillClock(), StillClock(), LoginHistory())
    for number in range(2 * TOKEN_BURST):
        for token in ("revoked", earlier.token(Caller(f"user {number}"))):
            with pytest.raises(AuthenticationFailed) as refused:
                log_in(authenticator, f"Bearer {token}")
            assert refused.value.wait_s == 0


def test_token_as_a_password_cannot_be_guessed_beyond_the_limit() -> None:
    authenticator = _with_rules()
    for number in range(BURST):
        with pytest.raises(AuthenticationFailed):
            log_in(authenticator, basic("ci", f"guess {number}"))
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(authenticator, basic("ci", TOKEN))
    assert refused.value.wait_s > 0
    assert log_in(authenticator, basic("ci", TOKEN), address="10.0.0.2") == Caller("ci")


def test_token_that_is_too_short_is_refused_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    short = "k3x9-q7w2"
    rules = read_rules(f'[tokens]\nci = "sha256:{hashlib.sha256(short.encode()).hexdigest()}"\n')
    authenticator = Authenticator(
        Access(rules=rules), b"key", StillClock(), StillClock(), LoginHistory()
    )
    for one in (f"Bearer {short}", basic("ci", short)):
        with pytest.raises(AuthenticationFailed) as refused:
            log_in(authenticator, one)
        assert "9 bytes" in refused.value.fact
    assert "refused the token of ci" in caplog.text
    assert short not in caplog.text
