"""Who is asking, and what they may do, without a socket."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from mirror.access import (
    ANONYMOUS,
    Access,
    AccessFiles,
    Action,
    AuthenticationFailed,
    Authenticator,
    Caller,
    LoginFailures,
    read_htpasswd,
    read_rules,
)
from mirror.access import passwords as passwords_module
from mirror.access.authenticator import REMEMBERED_S, Password
from mirror.access.challenge import Challenge, Scheme
from mirror.access.rules import Pattern
from mirror.access.throttle import BURST, REFILL_S, Throttle
from mirror.access.tokens import LIFETIME_S, Signer
from store.errors import InvalidInput
from store.formats.distribution.names import BY_ID
from store.model.references import Repository

if TYPE_CHECKING:
    from pathlib import Path

APP = Repository.parse("team/app")
RULES = """
[groups]
builders = ["ci"]

[tokens]
ci = "sha256:TOKEN"

[certificates]
"robot.example" = "robot"

[[rule]]
repositories = ["team/**", "quay.io/*/tool-*"]
who = ["@builders"]
allow = ["read", "write"]

[[rule]]
repositories = ["debian"]
who = ["@all"]
allow = ["read"]

[[rule]]
repositories = ["**"]
who = ["root"]
allow = ["read", "delete"]
""".replace("TOKEN", hashlib.sha256(b"long random token").hexdigest())


@pytest.fixture(scope="module")
def users() -> dict[str, bytes]:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4)).decode()
    return read_htpasswd(f"# users\n\nalice:{hashed}\n")


def test_a_file_without_users_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# alice has gone\n")
    access = AccessFiles(file).load()
    assert not access.is_open
    assert access.allows(ANONYMOUS, Action.READ, APP)
    assert not access.allows(ANONYMOUS, Action.WRITE, APP)
    assert not access.allows(ANONYMOUS, Action.DELETE, APP)
    assert not AccessFiles(file, anonymous_read=False).load().allows(ANONYMOUS, Action.READ, APP)
    assert AccessFiles().load().is_open


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def proved(
    authenticator: Authenticator,
    authorization: str | None,
    address: str = "10.0.0.1",
    certificate: str | None = None,
) -> Caller:
    found = authenticator.authenticate(authorization, address=address, certificate=certificate)
    return (
        authenticator.check_password(found, address=address)
        if isinstance(found, Password)
        else found
    )


# --- decisions ------------------------------------------------------------------------------------


def test_without_rules_users_may_do_all_and_anybody_reads(users: dict[str, bytes]) -> None:
    assert Access().allows(ANONYMOUS, Action.DELETE, APP)
    assert Access(users).allows(ANONYMOUS, Action.READ, APP)
    assert not Access(users).allows(ANONYMOUS, Action.WRITE, APP)
    closed = Access(users, anonymous_read=False)
    assert not closed.allows(ANONYMOUS, Action.READ, APP)
    assert not closed.may_read_somewhere(ANONYMOUS)
    assert closed.allows(Caller("alice"), Action.DELETE, APP)
    read_only = Access(users, read_only=True)
    assert read_only.allows(Caller("alice"), Action.READ, APP)
    assert not read_only.allows(Caller("alice"), Action.WRITE, APP)
    assert not Access(read_only=True).allows_everywhere(ANONYMOUS, Action.DELETE)


@pytest.mark.parametrize(
    ("user", "action", "name", "allowed"),
    [
        ("ci", Action.WRITE, "team/app", True),
        ("ci", Action.WRITE, "team/deep/app", True),
        ("ci", Action.DELETE, "team/app", False),
        ("ci", Action.WRITE, "teams/app", False),
        ("ci", Action.WRITE, "quay.io/team/app", False),
        ("ci", Action.READ, "quay.io/x/tool-1", True),
        ("ci", Action.READ, "quay.io/x/y/tool-1", False),
        ("alice", Action.READ, "team/app", False),
        (None, Action.READ, "debian", True),
        (None, Action.READ, "quay.io/library/debian", False),
        (None, Action.WRITE, "debian", False),
        ("root", Action.DELETE, "any.example/thing", True),
        ("root", Action.WRITE, "any.example/thing", False),
    ],
)
def test_rules(user: str | None, action: Action, name: str, allowed: bool) -> None:
    assert (
        Access(rules=read_rules(RULES)).allows(Caller(user), action, Repository.parse(name))
        is allowed
    )


def test_rules_for_images_without_a_name_and_in_general() -> None:
    access = Access(rules=read_rules(RULES))
    assert access.allows(Caller("root"), Action.READ, BY_ID)
    assert not access.allows(Caller("ci"), Action.READ, BY_ID)
    assert access.allows_everywhere(Caller("root"), Action.READ)
    assert not access.allows_everywhere(Caller("ci"), Action.READ)
    assert access.may_read_somewhere(ANONYMOUS)
    assert not Access(rules=read_rules(RULES), anonymous_read=False).may_read_somewhere(ANONYMOUS)
    assert not access.is_open
    assert Pattern.parse("_/by-id").matches(str(BY_ID))
    assert Pattern.parse("app", "corp.example").matches("corp.example/app")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule = 1", "[[rule]]"),
        ("x = ", "TOML"),
        (f"x = {'[' * 5000}", "TOML"),
        ("[group]\na = []", "'group'"),
        ('[groups]\nall = ["x"]', "@all"),
        ("[groups]\na = [1]", "groups.a"),
        ('groups = "x"', "groups"),
        ('[tokens]\na = "plain"', "tokens.a"),
        ("[certificates]\na = 1", "certificates.a"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["@nobody"]\nallow = ["read"]', "@nobody"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["x"]\nallow = ["rite"]', "rite"),
        ('[[rule]]\nrepositories = ["*"]\nwho = ["x"]\nallow = ["read"]', "rule 1"),
        ('[[rule]]\nrepositories = ["a//b"]\nwho = ["x"]\nallow = ["read"]', "a//b"),
        ('[[rule]]\nrepositories = ["a/x**"]\nwho = ["x"]\nallow = ["read"]', "x**"),
        ('[[rule]]\nrepositories = ["**"]\nwho = []\nallow = ["read"]', "who"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["x"]\nallow = ["read"]\nalow = 1', "alow"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_rules(text)
    assert said in refused.value.message


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        ":hash",
        "alice:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=",
        "alice:$apr1$x$y",
        "alice:$2b$04$short",
        "alice:$2b$31$" + "a" * 53,
        "alice:$2b$04$" + "!" * 53,
    ],
)
def test_other_schemes_than_bcrypt_are_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        read_htpasswd(line)


# --- proofs ---------------------------------------------------------------------------------------


def test_users_prove_who_they_are(users: dict[str, bytes]) -> None:
    authenticator = Authenticator(Access(users), b"key", Clock(), Clock(), LoginFailures())
    assert proved(authenticator, None) == ANONYMOUS
    assert proved(authenticator, basic("alice", "secret")) == Caller("alice")
    assert proved(authenticator, None, certificate="robot.example") == ANONYMOUS
    known = Authenticator(
        Access(users, rules=read_rules(RULES)), b"key", Clock(), Clock(), LoginFailures()
    )
    assert proved(known, None, certificate="robot.example") == Caller("robot")
    assert proved(known, None, certificate="other.example") == ANONYMOUS
    assert proved(known, f"Bearer {known.token(ANONYMOUS)}", certificate="robot.example") == Caller(
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
            proved(authenticator, one)


def test_a_right_password_is_compared_once_a_minute_and_anew_when_it_changes(
    users: dict[str, bytes],
) -> None:
    clock = Clock()
    authenticator = Authenticator(Access(users), b"key", clock, clock, LoginFailures())
    alice = basic("alice", "secret")
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)
    proved(authenticator, alice)
    assert authenticator.authenticate(alice, address="10.0.0.1") == Caller("alice")
    assert isinstance(
        authenticator.authenticate(basic("alice", "other"), address="10.0.0.1"), Password
    )
    authenticator.access = Access({"alice": bcrypt.hashpw(b"new", bcrypt.gensalt(rounds=4))})
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)
    authenticator.access = Access(users)
    clock.now += REMEMBERED_S
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)


def test_a_right_password_is_remembered_where_it_was_right(users: dict[str, bytes]) -> None:
    clock = Clock()
    authenticator = Authenticator(Access(users), b"key", clock, clock, LoginFailures())
    alice = basic("alice", "secret")
    proved(authenticator, alice)
    for _ in range(BURST):
        with pytest.raises(AuthenticationFailed):
            proved(authenticator, basic("alice", "guessed"), address="10.0.0.2")
    with pytest.raises(AuthenticationFailed) as refused:
        authenticator.authenticate(alice, address="10.0.0.2")
    assert refused.value.wait_s > 0
    assert authenticator.authenticate(alice, address="10.0.0.1") == Caller("alice")


def test_a_password_that_changes_while_it_is_compared_is_not_remembered(
    users: dict[str, bytes],
) -> None:
    class Changing(dict[str, bytes]):
        def get(self, user: str, default: Any = None, /) -> Any:  # noqa: ANN401 - as a dictionary's
            authenticator.access = Access(
                {"alice": bcrypt.hashpw(b"new", bcrypt.gensalt(rounds=4))}
            )
            return super().get(user, default)

    clock = Clock()
    authenticator = Authenticator(Access(Changing(users)), b"key", clock, clock, LoginFailures())
    alice = basic("alice", "secret")
    assert authenticator.check_password(Password("alice", b"secret"), address="10.0.0.1") == Caller(
        "alice"
    )
    assert isinstance(authenticator.authenticate(alice, address="10.0.0.1"), Password)


def test_an_unknown_user_costs_what_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a measurement: what is compared is looked at."""
    seen: list[bytes] = []

    def checkpw(_password: bytes, hashed: bytes) -> bool:
        seen.append(hashed)
        return True

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    known = {"alice": b"$2b$12$alice", "bob": b"$2b$12$bob"}
    assert not passwords_module.matches(known, "mallory", b"x", b"key")
    assert not passwords_module.matches(known, "mallory", b"x", b"key")
    assert seen[0] == seen[1]
    assert seen[0] in known.values()
    assert not passwords_module.matches({}, "mallory", b"x", b"key")
    assert len(seen) == 3


def test_nobody_has_the_password_of_nobody() -> None:
    assert not bcrypt.checkpw(b"", passwords_module._UNKNOWN_USER_HASH)


def test_tokens_that_do_not_expire(users: dict[str, bytes]) -> None:
    authenticator = Authenticator(
        Access(users, rules=read_rules(RULES)), b"key", Clock(), Clock(), LoginFailures()
    )
    assert proved(authenticator, "Bearer long random token") == Caller("ci")
    assert proved(authenticator, basic("ci", "long random token")) == Caller("ci")
    for wrong in (
        "Bearer long random toke",
        basic("root", "long random token"),
        basic("ci", "other"),
    ):
        with pytest.raises(AuthenticationFailed):
            proved(authenticator, wrong)


def test_tokens_that_do(users: dict[str, bytes]) -> None:
    clock = Clock()
    authenticator = Authenticator(Access(users), b"key", clock, clock, LoginFailures())
    token = authenticator.token(Caller("alice"))
    assert proved(authenticator, f"Bearer {token}") == Caller("alice")
    assert proved(authenticator, f"bearer {authenticator.token(ANONYMOUS)}") == ANONYMOUS
    stranger = Authenticator(Access(users), b"another key", clock, clock, LoginFailures())
    with pytest.raises(AuthenticationFailed):
        proved(stranger, f"Bearer {token}")
    payload, _, mac = token.partition(".")
    forged = base64.urlsafe_b64encode(b'["root",1000100]').decode().rstrip("=")
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
            proved(authenticator, f"Bearer {one}", address=one)
    authenticator.access = Access({"alice": bcrypt.hashpw(b"new", bcrypt.gensalt(rounds=4))})
    with pytest.raises(AuthenticationFailed):
        proved(authenticator, f"Bearer {token}")
    authenticator.access = Access({"bob": b""})
    with pytest.raises(AuthenticationFailed):
        proved(authenticator, f"Bearer {token}")
    authenticator.access = Access(users)
    clock.now += LIFETIME_S
    with pytest.raises(AuthenticationFailed):
        proved(authenticator, f"Bearer {token}")


def test_a_token_of_the_far_future_is_none_of_ours() -> None:
    clock = Clock()
    token = Signer(b"key", lambda: clock.now + 3600).sign("alice", b"mark")
    assert Signer(b"key", clock).read(token, lambda _user: b"mark") == (False, None)


# --- failures -------------------------------------------------------------------------------------


def test_failures_are_counted_by_place() -> None:
    clock = Clock()
    throttle = Throttle(clock, LoginFailures())
    for _ in range(BURST):
        assert throttle.wait_s("10.0.0.1") == 0
        throttle.failed("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == pytest.approx(REFILL_S)
    assert throttle.wait_s("::ffff:10.0.0.1") > 0
    assert throttle.wait_s("10.0.0.2") == 0
    clock.now += REFILL_S
    assert throttle.wait_s("10.0.0.1") == 0
    throttle.failed("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") > 0
    for _ in range(BURST):
        throttle.failed("2001:db8::1%eth0")
    assert throttle.wait_s("2001:db8::ffff") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0


def test_places_that_fail_once_do_not_push_out_one_that_fails_often() -> None:
    clock = Clock()
    throttle = Throttle(clock, LoginFailures(b"key"))
    for _ in range(BURST):
        throttle.failed("10.0.0.1")
    for number in range(50_000):
        throttle.failed(f"host {number}")
    assert throttle.wait_s("10.0.0.1") > 0


def test_failures_are_counted_together_by_all_processes() -> None:
    failures = LoginFailures()
    throttle = Throttle(lambda: 1000.0, failures)
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            for _ in range(50):
                throttle.failed("10.0.0.1")
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert throttle.wait_s("10.0.0.1") == pytest.approx((200 - BURST + 1) * REFILL_S)


def test_a_password_that_waited_while_others_failed_is_not_compared(
    users: dict[str, bytes],
) -> None:
    authenticator = Authenticator(Access(users), b"key", Clock(), Clock(), LoginFailures())
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


def test_who_fails_too_often_waits_and_who_is_known_does_not(users: dict[str, bytes]) -> None:
    authenticator = Authenticator(Access(users), b"key", Clock(), Clock(), LoginFailures())
    proved(authenticator, basic("alice", "secret"))
    for number in range(BURST):
        with pytest.raises(AuthenticationFailed) as refused:
            proved(authenticator, basic("alice", f"guess {number}"))
        assert refused.value.wait_s == 0
    with pytest.raises(AuthenticationFailed) as refused:
        proved(authenticator, basic("alice", "one more"))
    assert refused.value.wait_s > 0
    with pytest.raises(AuthenticationFailed) as refused:
        proved(authenticator, "Bearer expired")
    assert refused.value.wait_s == 0
    assert proved(authenticator, basic("alice", "secret")) == Caller("alice")


def test_what_clients_are_asked() -> None:
    bearer = Challenge(Scheme.BEARER)
    assert (
        bearer.header(secure=True, host="mirror:5000", scope="repository:a:pull") == "Bearer"
        ' realm="https://mirror:5000/token",service="mirror:5000",scope="repository:a:pull"'
    )
    assert (
        bearer.header(secure=False, host="[::1]:5000")
        == 'Bearer realm="http://[::1]:5000/token",service="[::1]:5000"'
    )
    for evil in ('x"', "x\r\nSet-Cookie: a", "a b", ""):
        assert bearer.header(secure=True, host=evil).startswith("Basic ")
    assert (
        Challenge(Scheme.BEARER, "https://front").header(secure=False, host='x"')
        == 'Bearer realm="https://front/token",service="front"'
    )
    assert Challenge(Scheme.BASIC).header(secure=True, host="mirror").startswith("Basic ")


def test_comparing_takes_its_time() -> None:
    started = time.perf_counter()
    passwords_module.matches({}, "nobody", b"x", b"key")
    assert time.perf_counter() - started > 0.005
