from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from remote.auth.credentials import Credentials
from remote.errors import AccessDenied, CertificateRefused, RegistryError, Unreachable
from remote.http.settings import RegistrySettings
from remote.registry.values import Tag
from store.model.remedies import Remedy
from tests.support.certificates import make_certificate
from tests.support.faulty_registry import Answer, FaultyRegistry, Garbage, Hang, LoseAnswer
from tests.support.layouts import MANIFEST
from tests.support.registry_pushes import image_manifest
from tests.support.remote_client import NAME, Keyring, Pauses, blob, parts, read, use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirror.connections.tls import Certificate
    from remote.registry.repository import Repository
    from tests.support.mirror_in_process import InProcessMirror

ONE = Tag("1")
CONFIG, DATA = image_manifest()
ME = Credentials("me", "hunter2", source="config.json")
BASIC = Answer(401, {"WWW-Authenticate": "Basic realm=x"})


@pytest.fixture(scope="module", autouse=True)
def _content(upstream: InProcessMirror) -> None:
    async def push(repository: Repository) -> None:
        await repository.send_blob(blob(CONFIG), parts(CONFIG))
        await repository.put_manifest(ONE, DATA, MANIFEST)

    use(f"127.0.0.1:{upstream.port}", push)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(upstream: InProcessMirror, certificate: Certificate) -> Iterator[FaultyRegistry]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with FaultyRegistry(upstream.port, tls=context) as registry:
        yield registry


# --- credentials ------------------------------------------------------------------------------


def test_a_password_is_sent_only_when_it_is_demanded(faulty: FaultyRegistry) -> None:
    keyring = Keyring(ME)
    use(faulty.host, lambda it: it.manifest(ONE), keyring=keyring)
    assert keyring.asked == []
    assert "Authorization" not in faulty.seen[0].headers
    faulty.inject(BASIC)

    async def twice(repository: Repository) -> None:
        await repository.manifest(ONE)
        await repository.manifest(ONE)

    use(faulty.host, twice, keyring=keyring)
    sent = [one.headers.get("Authorization") for one in faulty.seen[1:]]
    assert sent == [None, "Basic bWU6aHVudGVyMg==", "Basic bWU6aHVudGVyMg=="]
    assert keyring.asked == [(faulty.host, NAME)]


@pytest.mark.parametrize(
    ("credentials", "hint", "remedy"),
    [
        (ME, "check the credentials of 'me', and what this user may do", None),
        (None, None, Remedy.LOG_IN),
    ],
)
def test_a_refusal_says_whether_credentials_were_sent(
    credentials: Credentials | None,
    hint: str | None,
    remedy: Remedy | None,
    faulty: FaultyRegistry,
) -> None:
    faulty.always(BASIC)
    with pytest.raises(AccessDenied) as raised:
        use(faulty.host, lambda it: it.manifest(ONE), keyring=Keyring(credentials))
    assert (raised.value.hint, raised.value.remedy) == (hint, remedy)
    assert "hunter2" not in f"{raised.value} {raised.value.hint}"
    assert faulty.count() == (2 if credentials else 1)


def test_another_host_gets_no_password(faulty: FaultyRegistry, scripted: FaultyRegistry) -> None:
    faulty.inject(BASIC, path="/blobs/")
    faulty.inject(Answer(307, {"Location": f"http://{scripted.host}/x"}), path="/blobs/")
    scripted.always(Answer(200, {}, CONFIG))
    assert use(faulty.host, lambda it: read(it, CONFIG), keyring=Keyring(ME)) == (0, CONFIG)
    assert "Authorization" in faulty.seen[1].headers
    assert "Authorization" not in scripted.seen[0].headers


def test_another_host_that_demands_a_password_gets_none(
    faulty: FaultyRegistry, scripted: FaultyRegistry
) -> None:
    faulty.always(Answer(307, {"Location": f"http://{scripted.host}/x"}), path="/blobs/")
    scripted.always(BASIC)
    with pytest.raises(AccessDenied):
        use(faulty.host, lambda it: read(it, CONFIG), keyring=Keyring(ME))
    assert all("Authorization" not in one.headers for one in scripted.seen)


# --- schemes and TLS --------------------------------------------------------------------------


def test_this_machine_is_asked_with_tls_first(faulty: FaultyRegistry) -> None:
    got = use(faulty.host, lambda it: it.manifest(ONE), registry=RegistrySettings())
    assert got.data == DATA
    # Its answer to TLS is not HTTP, and nothing was sent to it that is a secret.
    assert [one.target for one in faulty.seen if one.target.startswith("/")] == [
        f"/v2/{NAME}/manifests/1"
    ]


def test_a_certificate_must_be_trusted(secure: FaultyRegistry, certificate: Certificate) -> None:
    with pytest.raises(CertificateRefused, match="self-signed certificate"):
        use(secure.host, lambda it: it.manifest(ONE), registry=RegistrySettings())
    host = f"localhost:{secure.port}"
    with pytest.raises(CertificateRefused, match="localhost"):
        use(
            host,
            lambda it: it.manifest(ONE),
            registry=RegistrySettings(ca_files=(certificate.chain,)),
        )
    assert secure.seen == []


def test_a_certificate_need_not_be_trusted_on_demand(secure: FaultyRegistry) -> None:
    got = use(secure.host, lambda it: it.manifest(ONE), registry=RegistrySettings(tls_verify=False))
    assert got.data == DATA


def test_plain_http_to_a_server_with_tls_is_an_error(secure: FaultyRegistry) -> None:
    with pytest.raises(RegistryError):
        use(secure.host, lambda it: it.manifest(ONE), retries=0)


def test_a_password_does_not_leave_tls(secure: FaultyRegistry, scripted: FaultyRegistry) -> None:
    secure.always(Answer(307, {"Location": f"http://{scripted.host}/x"}))
    with pytest.raises(RegistryError, match="without TLS"):
        use(
            secure.host,
            lambda it: it.manifest(ONE),
            registry=RegistrySettings(tls_verify=False),
            keyring=Keyring(ME),
        )
    assert scripted.seen == []


# --- faults of the network --------------------------------------------------------------------


def test_a_port_on_which_nobody_listens() -> None:
    with FaultyRegistry() as registry:
        pass
    pauses = Pauses()
    with pytest.raises(Unreachable, match=f"cannot connect to {registry.host}"):
        use(registry.host, lambda it: it.manifest(ONE), pauses=pauses)
    assert pauses.slept == [0.5, 1.0, 2.0]


def test_a_host_without_an_address() -> None:
    with pytest.raises(Unreachable, match=r"the host no\.such\.invalid has no address"):
        use("no.such.invalid", lambda it: it.manifest(ONE), retries=0)


def test_a_server_that_is_not_a_registry(scripted: FaultyRegistry) -> None:
    scripted.always(Garbage())
    with pytest.raises(RegistryError, match=f"cannot read manifest {scripted.host}/team/app:1: "):
        use(scripted.host, lambda it: it.manifest(ONE), retries=0)


def test_a_silent_server(scripted: FaultyRegistry) -> None:
    scripted.always(Hang())
    with pytest.raises(Unreachable, match="did not answer in time"):
        use(scripted.host, lambda it: it.manifest(ONE), idle_timeout_s=0.1, retries=1)
    assert scripted.count() == 2
    with pytest.raises(Unreachable, match="no complete answer in 0 s"):
        use(scripted.host, lambda it: it.manifest(ONE), document_timeout_s=0.1, retries=0)


def test_an_answer_that_is_lost(faulty: FaultyRegistry) -> None:
    faulty.inject(LoseAnswer(), times=3)
    assert use(faulty.host, lambda it: it.manifest(ONE)).data == DATA
    assert faulty.count() == 4


def test_redirects_in_a_loop(scripted: FaultyRegistry) -> None:
    scripted.always(Answer(307, {"Location": "/v2/team/app/manifests/1"}))
    with pytest.raises(RegistryError, match="more than 10 redirects"):
        use(scripted.host, lambda it: it.manifest(ONE))
    assert scripted.count() == 11


def test_one_rate_limit_stops_all_requests_to_the_registry(faulty: FaultyRegistry) -> None:
    faulty.inject(Answer(429, {"Retry-After": "5"}))
    pauses = Pauses()

    async def many(repository: Repository) -> None:
        await repository.manifest(ONE)
        await asyncio.gather(*(repository.manifest(ONE) for _ in range(3)))

    use(faulty.host, many, pauses=pauses)
    # The clock of the test does not go on, so every later request still waits.
    assert len([one for one in pauses.slept if 4 < one <= 5]) == 5


def test_connections_to_a_host_are_limited(faulty: FaultyRegistry) -> None:
    async def many(repository: Repository) -> None:
        await asyncio.gather(*(repository.manifest(ONE) for _ in range(20)))

    use(faulty.host, many, connections_per_host=2)
    assert 1 <= faulty.connections <= 2
