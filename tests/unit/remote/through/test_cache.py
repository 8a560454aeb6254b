"""A store that pulls through: from an upstream registry that can fail, into a new store."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from remote.errors import BudgetReached, ManifestNotFound, RateLimited, RegistryError, Unreachable
from remote.http.budgets import Budgets
from remote.http.settings import ClientSettings
from remote.registry.client import RegistryClient
from remote.through.cache import PullThrough
from remote.through.fetches import NowStored
from remote.through.upstreams import Upstream as UpstreamRegistry
from remote.through.upstreams import Upstreams
from store.model.digests import Digest
from store.model.references import Reference, Repository
from tests.support.faulty_registry import Answer, Hang
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Upstream
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    from remote.through.memory import SeenTag
    from store import Store

    Result = TypeVar("Result")

TEAM = Repository("docker.io", "team/app")
NAME = Reference(TEAM, "1")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class DictMemory(dict[Reference, "SeenTag"]):
    """Remembers tags in the memory of the process."""

    def put(self, name: Reference, seen: SeenTag) -> None:
        self[name] = seen

    def claim(
        self, _connection: object, name: Reference, seen: SeenTag, current: Digest | None
    ) -> bool:
        if current is not None and (name not in self or self[name].digest != current):
            return False
        self[name] = seen
        return True


class Mirror:
    """A store that pulls through, and its clock."""

    def __init__(self, upstream: Upstream, store: Store) -> None:
        self.upstream = upstream
        self.store = store
        self.memory = DictMemory()
        self.budgets = Budgets(now=lambda: self.now)
        self.now = NOW

    def run(self, work: Callable[[PullThrough], Awaitable[Result]]) -> Result:
        """Run a coroutine with a client of its own, as another process would."""

        async def all_of_it() -> Result:
            async with self._opened() as through:
                result = await work(through)
                await through.published()
                return result

        return asyncio.run(all_of_it())

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[PullThrough]:
        url = f"http://{self.upstream.registry.host}"
        upstreams = Upstreams([UpstreamRegistry.parse(f"docker.io={url}")])
        async with RegistryClient(
            ClientSettings(retries=0, max_wait_s=0, budgets=self.budgets),
            registries=upstreams.settings(),
        ) as client:
            through = PullThrough(
                self.store,
                upstreams,
                client,
                self.memory,
                max_age=timedelta(minutes=1),
                now=lambda: self.now,
            )
            yield through
            await through.close()

    def current(self) -> Digest | None:
        """Return the digest that the tag has in the store."""
        if NAME not in self.store.names("", 9):
            return None
        return self.store.inspect_manifest(str(NAME)).summary.digest


async def blobs(through: PullThrough, layout: Layout, manifest: str) -> None:
    """Read all blobs of a manifest, as a client does."""
    document = json.loads(layout.blobs[manifest])
    for link in (document["config"], *document["layers"]):
        fetch = await through.blob(TEAM, Digest.parse(link["digest"]))
        try:
            data = b"".join([piece async for piece in through.read(fetch, 0, link["size"])])
        except NowStored:
            # A mirror answers from the store.
            continue
        assert data == layout.blobs[link["digest"]]


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path) as running:
        yield running


@pytest.fixture
def mirror(upstream: Upstream, store: Store) -> Mirror:
    return Mirror(upstream, store)


def serve(upstream: Upstream, *layers: bytes) -> tuple[Layout, dict[str, str]]:
    layout = Layout()
    target = layout.image(*map(gzip, layers))
    layout.root(target, str(NAME))
    upstream.serve(layout)
    return layout, target


def test_an_image_is_published_when_a_client_has_pulled_it(mirror: Mirror) -> None:
    layout, target = serve(mirror.upstream, A, B)

    async def work(through: PullThrough) -> None:
        answer = await through.tag(NAME, None)
        assert answer.document is not None
        assert str(answer.document.digest) == target["digest"]
        await through.published()
        assert mirror.current() is None
        again = await through.document(TEAM, answer.document.digest)
        assert again.data == layout.blobs[target["digest"]]
        await blobs(through, layout, target["digest"])

    mirror.run(work)
    assert str(mirror.current()) == target["digest"]
    assert str(mirror.memory[NAME].digest) == target["digest"]
    assert list(mirror.store.fsck()) == []
    # One request for the manifest, the config and each layer.
    assert mirror.upstream.registry.count("GET") == 1 + 3


def test_of_an_index_only_what_was_asked_for_is_fetched(mirror: Mirror) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, arm64)
    layout.root(index, str(NAME))
    mirror.upstream.serve(layout)

    async def work(through: PullThrough) -> None:
        await through.tag(NAME, None)
        await through.document(TEAM, Digest.parse(amd64["digest"]))
        await blobs(through, layout, amd64["digest"])

    mirror.run(work)
    assert str(mirror.current()) == index["digest"]
    assert mirror.store.document(Digest.parse(arm64["digest"])) is None
    assert mirror.upstream.registry.count("GET", arm64["digest"]) == 0
    assert list(mirror.store.fsck()) == []


def pulled(mirror: Mirror, *layers: bytes) -> Digest:
    layout, target = serve(mirror.upstream, *layers)

    async def work(through: PullThrough) -> None:
        await through.tag(NAME, mirror.current())
        await blobs(through, layout, target["digest"])

    mirror.run(work)
    mirror.upstream.registry.clear()
    return Digest.parse(target["digest"])


def test_a_tag_is_asked_for_again_when_its_answer_is_old(mirror: Mirror) -> None:
    digest = pulled(mirror, A)
    answer = mirror.run(lambda through: through.tag(NAME, digest))
    assert (answer.document, answer.problem, answer.age) == (None, None, timedelta())
    assert mirror.upstream.registry.seen == []
    mirror.now += timedelta(minutes=2)
    answer = mirror.run(lambda through: through.tag(NAME, digest))
    assert answer.document is None
    assert [one.method for one in mirror.upstream.registry.seen if "/manifests/" in one.target] == [
        "HEAD"
    ]
    assert mirror.memory[NAME].checked_at == mirror.now
    moved = pulled_after(mirror)
    assert mirror.current() == moved != digest


def pulled_after(mirror: Mirror) -> Digest:
    mirror.now += timedelta(minutes=2)
    return pulled(mirror, A, B)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_the_store_answers_if_the_registry_fails(mirror: Mirror, status: int) -> None:
    digest = pulled(mirror, A)
    mirror.upstream.registry.always(Answer(status), path="/manifests/")
    mirror.now += timedelta(hours=1)
    answer = mirror.run(lambda through: through.tag(NAME, digest))
    assert (answer.document, answer.age) == (None, timedelta(hours=1))
    assert isinstance(answer.problem, RegistryError)
    with pytest.raises(RegistryError):
        mirror.run(lambda through: through.tag(Reference(TEAM, "other"), None))


def test_a_tag_of_a_push_is_not_asked_for(mirror: Mirror) -> None:
    digest = pulled(mirror, A)
    mirror.now += timedelta(hours=1)
    mirror.memory.clear()
    answer = mirror.run(lambda through: through.tag(NAME, digest))
    assert (answer.document, answer.age, answer.problem) == (None, None, None)
    assert mirror.upstream.registry.seen == []


def test_a_tag_that_is_set_during_the_fetch_stays(mirror: Mirror, tmp_path: Path) -> None:
    layout, _ = serve(mirror.upstream, A)
    other = Layout()
    own = other.image(gzip(B))
    other.root(own, str(NAME))
    archive = tmp_path / "other.tar"
    archive.write_bytes(other.tar())

    async def work(through: PullThrough) -> Digest:
        answer = await through.tag(NAME, None)
        assert answer.document is not None
        await asyncio.to_thread(mirror.store.import_archive, archive)
        await blobs(through, layout, str(answer.document.digest))
        return answer.document.digest

    digest = mirror.run(work)
    assert mirror.current() == Digest.parse(own["digest"])
    assert mirror.store.inspect_manifest(f"{TEAM}@{digest}").summary.digest == digest
    assert NAME not in mirror.memory


def test_an_absent_tag_is_remembered_for_ten_seconds(mirror: Mirror) -> None:
    serve(mirror.upstream, A)
    absent = Reference(TEAM, "absent")

    async def work(through: PullThrough) -> None:
        for seconds, requests in ((0, 1), (9, 1), (11, 2)):
            mirror.now = NOW + timedelta(seconds=seconds)
            with pytest.raises(ManifestNotFound):
                await through.tag(absent, None)
            assert mirror.upstream.registry.count("GET", "/manifests/") == requests

    mirror.run(work)


def test_a_failure_is_remembered_and_one_request_asks_again(mirror: Mirror) -> None:
    digest = pulled(mirror, A)
    registry = mirror.upstream.registry
    registry.always(Answer(429, {"Retry-After": "30"}))
    mirror.now += timedelta(hours=1)

    async def work(through: PullThrough) -> None:
        for _ in range(5):
            answer = await through.tag(NAME, digest)
            assert isinstance(answer.problem, RateLimited)
            with pytest.raises(RateLimited):
                await through.tag(Reference(TEAM, "2"), None)
            with pytest.raises(RateLimited):
                await through.blob(TEAM, Digest.of(b"absent"))
        assert len(registry.seen) == 1
        mirror.now += timedelta(seconds=31)
        # The store answers at once, and the request goes on without the client.
        answers = await asyncio.gather(*(through.tag(NAME, digest) for _ in range(5)))
        assert all(answer.problem is not None for answer in answers)
        async with asyncio.timeout(PATIENCE_S):
            while len(registry.seen) < 2:  # noqa: ASYNC110 - another thread sees them
                await asyncio.sleep(0.01)
            registry.clear()
            while (answer := await through.tag(NAME, digest)).problem is not None:
                # The failure of the last request may be remembered only now.
                mirror.now += timedelta(seconds=61)
                await asyncio.sleep(0.01)
        assert answer.document is None

    mirror.run(work)
    assert registry.count("HEAD") >= 1


def test_clients_that_ask_together_cost_one_request(mirror: Mirror) -> None:
    layout, target = serve(mirror.upstream, A)

    async def work(through: PullThrough) -> None:
        answers = await asyncio.gather(*(through.tag(NAME, None) for _ in range(20)))
        assert {str(one.document.digest) for one in answers if one.document} == {target["digest"]}
        digest = Digest.parse(target["digest"])
        await asyncio.gather(*(blobs(through, layout, str(digest)) for _ in range(20)))

    mirror.run(work)
    assert mirror.upstream.registry.count("GET") == 1 + 2


def test_a_slow_registry_does_not_keep_a_client_from_what_is_stored(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote.through.cache.STORED_WAIT_S", 0.05)
    digest = pulled(mirror, A)
    mirror.upstream.registry.always(Hang())
    mirror.now += timedelta(hours=1)
    answer = mirror.run(lambda through: through.tag(NAME, digest))
    assert isinstance(answer.problem, Unreachable)


def test_the_last_requests_that_a_registry_takes_are_for_what_is_missing(mirror: Mirror) -> None:
    digest = pulled(mirror, A)
    registry = mirror.upstream.registry
    registry.clear()
    mirror.now += timedelta(hours=1)
    mirror.budgets.note(
        registry.host, {"RateLimit-Limit": "100;w=3600", "RateLimit-Remaining": "10;w=3600"}
    )

    async def work(through: PullThrough) -> None:
        answer = await through.tag(NAME, digest)
        assert (answer.document, answer.age) == (None, timedelta(hours=1))
        assert isinstance(answer.problem, BudgetReached)
        assert registry.seen == []
        with pytest.raises(ManifestNotFound):
            await through.tag(Reference(TEAM, "absent"), None)
        assert registry.count("GET", "/manifests/absent") == 1
        mirror.now += timedelta(hours=1)
        assert (await through.tag(NAME, digest)).problem is None

    mirror.run(work)
