from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from remote.auth.credentials import Credentials
from remote.errors import AccessDenied, InvalidAnswer, RegistryFailed, UnsafeTarget
from remote.registry.values import Tag
from store.model.remedies import Remedy
from tests.support.faulty_registry import Answer, Compute, Endless, FaultyRegistry, Seen
from tests.support.layouts import MANIFEST
from tests.support.registry_pushes import image_manifest
from tests.support.remote_client import Keyring, Pauses, use

if TYPE_CHECKING:
    from remote.registry.repository import Repository

ONE = Tag("1")
_, DATA = image_manifest()
ME = Credentials("me", "hunter2")
IDENTITY = Credentials(identity_token="refresh")  # noqa: S106 - a test
FOUND = Answer(200, {"Content-Type": MANIFEST}, DATA)
TOKEN = Answer(200, {}, b'{"token":"abc","expires_in":300}')


def challenge(realm: str, *, scope: str = "repository:team/app:pull") -> Answer:
    value = f'Bearer realm="{realm}",service="r.example",scope="{scope}"'
    return Answer(401, {"WWW-Authenticate": value})


@pytest.fixture
def service(scripted: FaultyRegistry) -> FaultyRegistry:
    """Let a registry demand the token ``abc``, and be its token service."""

    def manifest(seen: Seen) -> Answer:
        is_known = seen.headers.get("Authorization") == "Bearer abc"
        return FOUND if is_known else challenge(f"http://{scripted.host}/token")

    scripted.always(Compute(manifest), path="/manifests/")
    return scripted


def test_a_token_is_fetched_with_the_password_and_used(service: FaultyRegistry) -> None:
    service.always(TOKEN, path="/token")

    async def twice(repository: Repository) -> None:
        await repository.manifest(ONE)
        await repository.manifest(ONE)

    use(service.host, twice, keyring=Keyring(ME))
    paths = [urlsplit(one.target).path for one in service.seen]
    assert paths == ["/v2/team/app/manifests/1", "/token", *["/v2/team/app/manifests/1"] * 2]
    request = service.seen[1]
    assert request.headers["Authorization"] == "Basic bWU6aHVudGVyMg=="
    assert parse_qs(urlsplit(request.target).query) == {
        "service": ["r.example"],
        "scope": ["repository:team/app:pull"],
    }


def test_without_credentials_the_token_is_anonymous(service: FaultyRegistry) -> None:
    service.always(TOKEN, path="/token")
    assert use(service.host, lambda it: it.manifest(ONE)).data == DATA
    assert "Authorization" not in service.requests(path="/token")[0].headers


def test_an_identity_token_is_sent_as_oauth_demands(service: FaultyRegistry) -> None:
    service.always(TOKEN, path="/token")
    use(service.host, lambda it: it.manifest(ONE), keyring=Keyring(IDENTITY))
    request = service.requests(path="/token")[0]
    assert (request.method, request.target) == ("POST", "/token")
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["refresh"],
        "client_id": ["storectl"],
        "service": ["r.example"],
        "scope": ["repository:team/app:pull"],
    }


def test_concurrent_requests_share_a_token(service: FaultyRegistry) -> None:
    service.always(TOKEN, path="/token")

    async def many(repository: Repository) -> None:
        await asyncio.gather(*(repository.manifest(ONE) for _ in range(6)))

    use(service.host, many)
    assert service.count(path="/token") == 1


def test_a_token_that_the_registry_no_longer_takes_is_renewed_once(
    scripted: FaultyRegistry,
) -> None:
    scripted.always(TOKEN, path="/token")
    realm = f"http://{scripted.host}/token"
    scripted.inject(challenge(realm), path="/manifests/", times=2)
    scripted.inject(FOUND, path="/manifests/")
    scripted.always(challenge(realm), path="/manifests/")

    async def twice(repository: Repository) -> None:
        await repository.manifest(ONE)

    # The service gives the same token again, so that another attempt cannot help.
    with pytest.raises(AccessDenied):
        use(scripted.host, twice)
    assert scripted.count(path="/token") == 2
    assert scripted.count(path="/manifests/") == 2


def test_the_scope_that_the_registry_names_is_asked_for_next(scripted: FaultyRegistry) -> None:
    tokens = iter(["one", "two"])
    scripted.always(
        Compute(lambda _: Answer(200, {}, json.dumps({"token": next(tokens)}).encode())),
        path="/token",
    )
    realm = f"http://{scripted.host}/token"
    scripted.inject(challenge(realm, scope="special:x"), path="/manifests/", times=2)
    scripted.always(FOUND, path="/manifests/")
    assert use(scripted.host, lambda it: it.manifest(ONE)).data == DATA
    scopes = [
        parse_qs(urlsplit(one.target).query)["scope"] for one in scripted.requests(path="/token")
    ]
    assert scopes == [["repository:team/app:pull"], ["repository:team/app:pull", "special:x"]]


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("credentials", "hint", "remedy"),
    [
        (ME, "check the credentials of 'me'", None),
        (None, None, Remedy.LOG_IN),
        (IDENTITY, "check the credentials of 'the token'", None),
    ],
)
def test_a_refusal(
    status: int,
    credentials: Credentials | None,
    hint: str | None,
    remedy: Remedy | None,
    service: FaultyRegistry,
) -> None:
    service.always(Answer(status, {}, b'{"details":"incorrect username"}'), path="/token")
    with pytest.raises(AccessDenied, match="cannot get a token for") as raised:
        use(service.host, lambda it: it.manifest(ONE), keyring=Keyring(credentials))
    assert (raised.value.hint, raised.value.remedy) == (hint, remedy)
    text = f"{raised.value} {raised.value.hint}"
    assert "hunter2" not in text
    assert "refresh" not in text
    assert service.count(path="/token") == 1


def test_faults_of_the_service_that_pass(service: FaultyRegistry) -> None:
    service.inject(Answer(503), path="/token")
    service.inject(Answer(429, {"Retry-After": "3"}), path="/token")
    service.always(TOKEN, path="/token")
    pauses = Pauses()
    assert use(service.host, lambda it: it.manifest(ONE), pauses=pauses).data == DATA
    assert pauses.slept == [0.5, 3.0]


def test_faults_of_the_service_that_do_not_pass(service: FaultyRegistry) -> None:
    service.always(Answer(500), path="/token")
    with pytest.raises(RegistryFailed, match="cannot get a token"):
        use(service.host, lambda it: it.manifest(ONE), retries=1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {}, b"<html>"),
        Answer(200, {}, b'{"token":"a\\r\\nX: y"}'),
        Answer(302, {"Location": "http://127.0.0.1:1/"}),
        Endless(),
    ],
)
def test_answers_that_are_not_tokens(answer: Answer | Endless, service: FaultyRegistry) -> None:
    service.always(answer, path="/token")
    with pytest.raises(InvalidAnswer):
        use(service.host, lambda it: it.manifest(ONE))


@pytest.mark.parametrize("realm", ["", "/token", "ftp://x/", "http://me:pw@127.0.0.1/token"])
def test_an_unsafe_service_gets_nothing(realm: str, scripted: FaultyRegistry) -> None:
    scripted.always(challenge(realm))
    with pytest.raises(UnsafeTarget, match="the token service is not safe"):
        use(scripted.host, lambda it: it.manifest(ONE), keyring=Keyring(ME))
    assert all("Authorization" not in one.headers for one in scripted.seen)


def test_a_public_registry_cannot_name_a_private_service(
    service: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyRegistry() as private:
        private.always(TOKEN)
        service.clear()
        service.always(challenge(f"http://{private.host}/latest/meta-data"))
        monkeypatch.setattr("remote.http.transport.Transport.is_public", lambda *_: True)
        with pytest.raises(UnsafeTarget, match="private address"):
            use(service.host, lambda it: it.manifest(ONE), keyring=Keyring(ME))
        assert private.seen == []
