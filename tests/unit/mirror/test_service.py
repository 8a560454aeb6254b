"""The mirror's service object: the callers' permissions, and background jobs."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast, final
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request

from mirror.access import ANONYMOUS, Access, Action, Caller, LoginHistory
from mirror.access.challenge import Scheme
from mirror.process.metrics import Metrics
from mirror.protocol.errors import WireError
from mirror.service import MirrorSettings, Service
from mirror.transfer.pools import Pools
from store.errors import StorageFull
from store.model.contents import DiffState
from store.model.digests import Digest, ImageID
from store.model.references import Repository
from store.model.remedies import Remedy
from tests.support import images
from tests.support.layouts import MANIFEST, encode
from tests.support.logins import USERS
from tests.support.pushes import push
from tests.support.waiting import PATIENCE_S, until, until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


def test_pushed_image_is_verified_in_the_background(ask: InProcessMirror, store: Store) -> None:
    import gzip

    from store.model.digests import DiffID

    blob = gzip.compress(images.A)
    config = images.config(images.A)
    push(ask, config)
    push(ask, blob)
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": str(Digest.of(blob)),
        "size": len(blob),
    }
    about = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(Digest.of(config)),
        "size": len(config),
    }
    assert (
        ask(
            "PUT",
            "/v2/app/manifests/1",
            encode({"schemaVersion": 2, "config": about, "layers": [layer]}),
            Content_Type=MANIFEST,
        ).status
        == 201
    )
    diff = DiffID(Digest.of(images.A)).digest
    until(lambda: store.sources((diff,))[diff].encodings)


@final
class Services:
    """A factory that makes services with a mock registry and mock variants."""

    def __init__(self) -> None:
        self.pools = Pools(cores=1)
        self.registry = Mock()
        self.variants = Mock()
        self.unverified_images = Mock()

    def make(
        self,
        settings: MirrorSettings | None = None,
        on_verify: Callable[[ImageID], None] = lambda _: None,
    ) -> Service:
        def verify(image_id: ImageID, **_: object) -> DiffState:
            on_verify(image_id)
            return DiffState.VERIFIED

        store = cast(
            "Store",
            SimpleNamespace(
                read_only=False,
                needs_verification=lambda _: True,
                verify_image=verify,
                unverified_images=self.unverified_images,
            ),
        )
        return Service(
            store,
            self.registry,
            settings or MirrorSettings(),
            self.pools,
            Metrics(),
            self.variants,
            LoginHistory(),
        )


@pytest.fixture
def services() -> Iterator[Services]:
    made = Services()
    yield made
    made.pools.close()


APP = Repository.parse("quay.io/team/app")


def test_location_is_spelled_out_from_the_default_registry(services: Services) -> None:
    assert services.make().location(APP, "blobs", "x") == "/v2/quay.io/team/app/blobs/x"
    settings = MirrorSettings(default_domain="quay.io")
    assert services.make(settings).location(APP, "blobs", "x") == "/v2/team/app/blobs/x"


def test_permission_is_required(services: Services) -> None:
    service = services.make(MirrorSettings(access=Access(USERS)))
    service.require_permission(ANONYMOUS, Action.READ, APP)
    service.require_permission(Caller("alice"), Action.WRITE, APP)
    with pytest.raises(WireError) as refused:
        service.require_permission(ANONYMOUS, Action.WRITE, APP)
    assert refused.value.status == 401
    assert refused.value.scope == "repository:quay.io/team/app:pull,push"
    read_only = services.make(MirrorSettings(access=Access(USERS, read_only=True)))
    assert read_only.read_only
    with pytest.raises(WireError) as refused:
        read_only.require_permission(Caller("alice"), Action.WRITE, APP)
    assert refused.value.status == 403


def test_registry_without_users_that_refuses_changes_asks_for_no_login(
    services: Services,
) -> None:
    closed = Access(anonymous_write=False)
    service = services.make(MirrorSettings(access=closed))
    service.require_permission(ANONYMOUS, Action.READ, APP)
    for action in (Action.WRITE, Action.DELETE):
        with pytest.raises(WireError) as refused:
            service.require_permission(ANONYMOUS, action, APP)
        assert (refused.value.status, refused.value.code) == (403, "DENIED")
        assert refused.value.message == "this registry has no users, so clients may only read"
    advised = services.make(MirrorSettings(access=closed, advice={Remedy.OPEN_REGISTRY: "do this"}))
    with pytest.raises(WireError) as refused:
        advised.require_permission(ANONYMOUS, Action.WRITE, APP)
    assert refused.value.message.endswith("; do this")


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        (MirrorSettings(checks_hosts=True), {}, 421),
        (MirrorSettings(checks_hosts=True), {"Host": "evil.example\x1b[31m" * 90}, 421),
        (MirrorSettings(checks_hosts=True, allowed_hosts=("evil.example",)), {}, 200),
        (
            MirrorSettings(checks_hosts=True),
            {"Host": "localhost", "Origin": "http://evil.example"},
            403,
        ),
        (MirrorSettings(), {"Origin": "http://x.example"}, 200),
    ],
)
def test_request_of_a_web_page_is_refused(
    settings: MirrorSettings, headers: dict[str, str], status: int, services: Services
) -> None:
    request = make_mocked_request("GET", "/v2/", {"Host": "evil.example", **headers})
    service = services.make(settings)
    if status == 200:
        service.require_own_page(request)
        return
    with pytest.raises(WireError) as refused:
        service.require_own_page(request)
    assert (refused.value.status, refused.value.code) == (status, "DENIED")
    assert len(refused.value.message) < 1000


@pytest.mark.parametrize(
    ("settings", "headers", "needed"),
    [
        (MirrorSettings(access=Access(USERS)), {}, True),
        (MirrorSettings(access=Access(USERS)), {"Authorization": "Bearer x"}, False),
        (MirrorSettings(access=Access(USERS), scheme=Scheme.BASIC), {}, False),
        (MirrorSettings(), {}, False),
    ],
    ids=["anonymous", "with token", "basic", "without users"],
)
def test_anonymous_client_gets_a_token_first(
    settings: MirrorSettings, headers: dict[str, str], needed: bool, services: Services
) -> None:
    request = make_mocked_request("GET", "/v2/", headers)
    assert services.make(settings).needs_token_first(request) is needed


def test_concurrent_requests_share_the_creation_of_a_variant(services: Services) -> None:
    services.variants.original.side_effect = lambda tag: ("1", "zstd") if "-" in tag else None

    def publish(*_arguments: object) -> tuple[ImageID, ...]:
        # A request that still asks whether the variant is outdated would publish it once more.
        until(lambda: services.variants.is_outdated.call_count >= 5)
        time.sleep(0.05)
        return ()

    services.variants.publish.side_effect = publish

    async def main() -> None:
        service = services.make()
        await asyncio.gather(*(service.publish(APP, "1-zstd") for _ in range(5)))
        await service.publish(APP, "1")
        assert services.variants.publish.call_count == 1
        # The next request publishes again, because the original tag may have moved.
        await service.publish(APP, "1-zstd")
        assert services.variants.publish.call_count == 2

    asyncio.run(main())


def test_variant_that_is_up_to_date_does_not_wait_for_the_compression_of_others(
    services: Services,
) -> None:
    async def main() -> None:
        service, may_end = services.make(), threading.Event()
        services.variants.original.side_effect = lambda tag: (tag.removesuffix("-zstd"), "zstd")
        services.variants.is_outdated.side_effect = lambda _, tag, __: tag == "new"
        services.variants.publish.side_effect = lambda *_: may_end.wait(PATIENCE_S) and ()
        slow = asyncio.create_task(service.publish(APP, "new-zstd"))
        try:
            await asyncio.wait_for(service.publish(APP, "old-zstd"), PATIENCE_S / 2)
            assert not slow.done()
        finally:
            may_end.set()
        await slow
        assert services.variants.publish.call_count == 1

    asyncio.run(main())


def test_failed_variant_is_logged_and_not_raised(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    services.variants.original.return_value = ("1", "zstd")
    services.variants.publish.side_effect = StorageFull("no space left")
    asyncio.run(services.make().publish(APP, "1-zstd"))
    assert "no space left" in caplog.text


@pytest.mark.parametrize("is_leader", [True, False])
def test_only_the_leader_verifies_images_of_an_earlier_server(
    is_leader: bool, services: Services
) -> None:
    old, new = (ImageID(Digest.of(name)) for name in (b"old", b"new"))
    services.unverified_images.side_effect = [[(old, "library/app")], []]
    verified: list[ImageID] = []

    async def main() -> None:
        service = services.make(MirrorSettings(is_leader=is_leader), verified.append)
        task = asyncio.create_task(service.verify_images())
        if is_leader:
            await until_in_loop(lambda: verified == [old])
        service.queue_verification(APP, new)
        await until_in_loop(lambda: new in verified)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert verified == ([old, new] if is_leader else [new])
