from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from remote.auth.authorizer import Authorizer, basic
from remote.auth.challenges import Challenge
from remote.auth.credentials import Credentials
from remote.auth.scopes import PULL, Scope
from remote.auth.tokens import Token, TokenRequest
from tests.support.remote_client import Keyring

BEARER = Challenge("bearer", {"realm": "https://auth.example/token", "service": "r"})
BASIC = Challenge("basic", {})
PULL_APP = (Scope.of("app", PULL),)
SECRET = "x"  # noqa: S105 - a test
ME = Credentials("me", "hunter2")


@dataclass
class Service:
    requests: list[TokenRequest] = field(default_factory=list)
    life_s: float = 60.0
    now: float = 0.0

    async def __call__(self, request: TokenRequest) -> Token:
        self.requests.append(request)
        await asyncio.sleep(0)
        return Token(f"Bearer {len(self.requests)}", self.now + self.life_s)

    def clock(self) -> float:
        return self.now


def authorizer(service: Service, keyring: Keyring) -> Authorizer:
    return Authorizer("r.example", keyring, service, service.clock)


def test_nothing_is_sent_before_the_registry_demands_it() -> None:
    service, keyring = Service(), Keyring(ME)
    assert asyncio.run(authorizer(service, keyring).current("app", PULL_APP)) is None
    assert (service.requests, keyring.asked) == ([], [])


def test_a_demand_for_basic_is_answered_with_the_password() -> None:
    one = authorizer(Service(), Keyring(ME))
    header = asyncio.run(one.answer([BASIC], "app", PULL_APP, used=None))
    assert header == "Basic bWU6aHVudGVyMg==" == basic(ME)
    assert asyncio.run(one.answer([BASIC], "app", PULL_APP, used=header)) is None
    assert asyncio.run(one.user("app")) == "me"


def test_without_credentials_basic_cannot_be_answered() -> None:
    one = authorizer(Service(), Keyring())
    assert asyncio.run(one.answer([BASIC], "app", PULL_APP, used=None)) is None
    assert asyncio.run(one.user("app")) == ""


def test_unknown_schemes_cannot_be_answered() -> None:
    one = authorizer(Service(), Keyring(ME))
    assert asyncio.run(one.answer([Challenge("negotiate")], "app", (), used=None)) is None


def test_tokens_are_preferred_and_kept_until_they_expire() -> None:
    service, keyring = Service(), Keyring(ME)
    one = authorizer(service, keyring)

    async def run() -> list[str | None]:
        first = await one.answer([BASIC, BEARER], "app", PULL_APP, used=None)
        again = await one.current("app", PULL_APP)
        service.now = 60
        return [first, again, await one.current("app", PULL_APP)]

    assert asyncio.run(run()) == ["Bearer 1", "Bearer 1", "Bearer 2"]
    assert service.requests[0].credentials == ME
    assert keyring.asked == [("r.example", "app")]


def test_a_refused_token_is_renewed_once_for_all_requests() -> None:
    service = Service()
    one = authorizer(service, Keyring())

    async def run() -> list[str | None]:
        used = await one.answer([BEARER], "app", PULL_APP, used=None)
        return await asyncio.gather(
            *(one.answer([BEARER], "app", PULL_APP, used=used) for _ in range(8))
        )

    assert asyncio.run(run()) == ["Bearer 2"] * 8
    assert len(service.requests) == 2


def test_concurrent_requests_share_one_token() -> None:
    service = Service()
    one = authorizer(service, Keyring())

    async def run() -> list[str | None]:
        return await asyncio.gather(
            *(one.answer([BEARER], "app", PULL_APP, used=None) for _ in range(8))
        )

    assert asyncio.run(run()) == ["Bearer 1"] * 8
    assert len(service.requests) == 1


def test_the_permissions_that_the_registry_names_are_asked_for() -> None:
    service = Service()
    one = authorizer(service, Keyring())
    wanted = (*PULL_APP, Scope("registry:catalog:*"))
    asyncio.run(one.answer([BEARER], "app", PULL_APP, used=None, wanted=wanted))
    assert service.requests[0].scopes == wanted


def test_a_registry_token_is_sent_as_it_is() -> None:
    one = authorizer(Service(), Keyring(Credentials(registry_token=SECRET)))
    assert asyncio.run(one.answer([BASIC], "app", PULL_APP, used=None)) == "Bearer x"
    assert asyncio.run(one.user("app")) == "the token"
