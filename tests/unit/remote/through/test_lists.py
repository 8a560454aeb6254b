"""Lists of tags and referrers of a registry that can fail."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from remote.errors import InvalidAnswer, RegistryFailed, Unreachable
from remote.http.settings import ClientSettings
from remote.registry.client import RegistryClient
from remote.through.counts import Counts
from remote.through.failures import Failures
from remote.through.lists import Lists
from remote.through.memory import SeenTags
from remote.through.sources import Sources
from remote.through.upstreams import Upstream, Upstreams
from store.errors import NotFound, Unavailable
from store.formats.distribution.referrers import fallback_tag
from store.formats.image.media_types import OCI_INDEX, OCI_MANIFEST
from store.model.digests import Digest
from store.model.references import Repository
from tests.support.faulty_registry import Answer, FaultyRegistry, Hang

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

TEAM = Repository("docker.io", "team/app")
SUBJECT = Digest.of(b"subject")
TAGS, REFERRERS = "/tags/list", "/referrers/"


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with FaultyRegistry() as running:
        yield running


class Clock:
    now = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Remembered(dict[Repository, SeenTags]):
    """Implements `remote.through.memory.ListMemory`."""

    fails = False

    def get(self, repository: Repository) -> SeenTags | None:  # type: ignore[override]
        if self.fails:
            raise Unavailable("no disk")
        return super().get(repository)

    def put(self, repository: Repository, seen: SeenTags) -> None:
        if self.fails:
            raise Unavailable("no disk")
        self[repository] = seen


@pytest.fixture
def memory() -> Remembered:
    return Remembered()


@pytest.fixture
def run(registry: FaultyRegistry, clock: Clock, memory: Remembered) -> Callable[..., None]:
    @asynccontextmanager
    async def opened(**settings: int) -> AsyncIterator[Lists]:
        upstreams = Upstreams([Upstream.parse(f"docker.io=http://{registry.host}")])
        client = RegistryClient(
            ClientSettings(retries=0, max_wait_s=0), registries=upstreams.settings()
        )
        async with client:
            failures = Failures(lambda: clock.now)
            lists = Lists(
                Sources(upstreams, client, failures, Counts()),
                memory,
                is_fresh=lambda _, age: age < timedelta(minutes=1),
                now=lambda: clock.now,
                **settings,
            )
            yield lists
            await lists.close()

    def call(work: Callable[[Lists], Awaitable[None]], **settings: int) -> None:
        async def all_of_it() -> None:
            async with opened(**settings) as lists:
                await work(lists)

        asyncio.run(all_of_it())

    return call


def tags(*names: str) -> Answer:
    headers = {"Content-Type": "application/json"}
    return Answer(200, headers, json.dumps({"name": "team/app", "tags": names}).encode())


def index(*subjects: bytes, kind: str = "example/signature") -> Answer:
    manifests = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(Digest.of(one)),
            "size": len(one),
            "artifactType": kind,
            "annotations": {"key": "value"},
        }
        for one in subjects
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return Answer(200, {"Content-Type": OCI_INDEX}, json.dumps(document).encode())


def test_tags_are_sorted_and_kept_for_a_while(
    run: Callable[..., None], registry: FaultyRegistry, clock: Clock
) -> None:
    registry.always(tags("b", "a", "b"), path=TAGS)

    async def work(lists: Lists) -> None:
        for seconds, requests in ((0, 1), (59, 1), (61, 2)):
            clock.now = Clock.now + timedelta(seconds=seconds)
            found = await lists.tags(TEAM, is_stored=True)
            assert (found.tags, found.problem) == (("a", "b"), None)
            assert registry.count("GET", TAGS) == requests

    run(work)


@pytest.mark.parametrize("has_api", [True, False])
def test_referrers_come_from_the_api_or_from_the_fallback_tag(
    run: Callable[..., None], registry: FaultyRegistry, *, has_api: bool
) -> None:
    if has_api:
        registry.always(index(b"one", b"two"), path=REFERRERS)
    else:
        registry.always(Answer(404), path=REFERRERS)
        registry.always(index(b"one", b"two"), path=f"/manifests/{fallback_tag(SUBJECT)}")

    async def work(lists: Lists) -> None:
        first, second = (await lists.referrers(TEAM, SUBJECT, is_stored=False)).referrers
        assert str(first.digest) < str(second.digest)
        assert {first.digest, second.digest} == {Digest.of(b"one"), Digest.of(b"two")}
        assert (first.size_bytes, first.media_type) == (3, OCI_MANIFEST)
        assert (first.artifact_type, first.annotations) == ("example/signature", {"key": "value"})

    run(work)


def test_a_repository_that_the_registry_lacks_has_empty_lists(
    run: Callable[..., None], registry: FaultyRegistry
) -> None:
    registry.always(Answer(404))

    async def work(lists: Lists) -> None:
        found = await lists.tags(TEAM, is_stored=False)
        assert (found.tags, found.problem) == ((), None)
        found = await lists.referrers(TEAM, SUBJECT, is_stored=False)
        assert (found.referrers, found.problem) == ((), None)
        found = await lists.tags(Repository("quay.io", "a/b"), is_stored=False)
        assert isinstance(found.problem, NotFound)

    run(work)


def test_a_failure_is_a_problem_and_is_remembered(
    run: Callable[..., None], registry: FaultyRegistry
) -> None:
    registry.always(Answer(503))

    async def work(lists: Lists) -> None:
        for is_stored in (True, False):
            found = await lists.tags(TEAM, is_stored=is_stored)
            assert isinstance(found.problem, RegistryFailed)
            assert found.asked_at is None
        assert len(registry.seen) == 1

    run(work)


def test_lists_of_tags_are_for_other_processes_and_after_a_restart(
    run: Callable[..., None], registry: FaultyRegistry, clock: Clock, memory: Remembered
) -> None:
    registry.inject(tags("b", "a"), path=TAGS)
    registry.always(Answer(503))

    async def work(lists: Lists) -> None:
        found = await lists.tags(TEAM, is_stored=False)
        assert (found.tags, found.problem) == (("a", "b"), None)

    async def fails(lists: Lists) -> None:
        found = await lists.tags(TEAM, is_stored=False)
        assert (found.tags, found.age) == (("a", "b"), timedelta(hours=1))
        assert isinstance(found.problem, RegistryFailed)
        found = await lists.referrers(TEAM, SUBJECT, is_stored=False)
        assert (found.referrers, found.age) == ((), None)
        assert isinstance(found.problem, RegistryFailed)

    run(work)
    run(work)
    assert registry.count("GET", TAGS) == 1
    clock.now += timedelta(hours=1)
    run(fails)
    memory.fails = True

    async def nothing(lists: Lists) -> None:
        found = await lists.tags(TEAM, is_stored=False)
        assert (found.tags, found.asked_at) == ((), None)
        assert isinstance(found.problem, RegistryFailed)

    run(nothing)


def test_a_list_is_the_answer_even_if_it_cannot_be_remembered(
    run: Callable[..., None], registry: FaultyRegistry, memory: Remembered
) -> None:
    registry.always(tags("a"), path=TAGS)
    memory.fails = True

    async def work(lists: Lists) -> None:
        found = await lists.tags(TEAM, is_stored=False)
        assert (found.tags, found.problem) == (("a",), None)

    run(work)


def test_invented_names_are_not_remembered_and_removed_ones_are_forgotten(
    run: Callable[..., None], registry: FaultyRegistry, clock: Clock, memory: Remembered
) -> None:
    registry.always(Answer(404))
    memory[TEAM] = SeenTags(("a",), clock.now - timedelta(hours=1))

    async def work(lists: Lists) -> None:
        await lists.tags(Repository("docker.io", "in/vented"), is_stored=False)
        assert list(memory) == [TEAM]
        assert (await lists.tags(TEAM, is_stored=False)).tags == ()
        assert memory[TEAM] == SeenTags((), clock.now)

    run(work)


def test_a_slow_registry_does_not_keep_a_client_from_the_list_of_the_store(
    run: Callable[..., None], registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote.through.lists.STORED_WAIT_S", 0.05)
    registry.always(Hang())

    async def work(lists: Lists) -> None:
        found = await lists.tags(TEAM, is_stored=True)
        assert isinstance(found.problem, Unreachable)

    run(work)


def test_lists_have_ceilings(
    run: Callable[..., None], registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote.through.lists.MAX_TAGS", 2)
    monkeypatch.setattr("remote.through.lists.MAX_REFERRERS", 1)
    registry.always(tags("a", "b", "c"), path=TAGS)
    registry.always(index(b"one", b"two"), path=REFERRERS)

    async def work(lists: Lists) -> None:
        for found in (
            await lists.tags(TEAM, is_stored=False),
            await lists.referrers(TEAM, SUBJECT, is_stored=False),
        ):
            assert isinstance(found.problem, InvalidAnswer)

    run(work)


def test_the_oldest_lists_are_forgotten(
    run: Callable[..., None], registry: FaultyRegistry, memory: Remembered
) -> None:
    registry.always(tags("a"), path=TAGS)
    memory.fails = True

    async def work(lists: Lists) -> None:
        for number in (1, 2, 3, 3, 2, 1):
            repository = Repository("docker.io", f"team/app-{number}")
            assert (await lists.tags(repository, is_stored=True)).tags == ("a",)

    run(work, max_bytes=1000)
    # Two of these lists are kept: the first one was asked for twice.
    assert registry.count("GET", TAGS) == 4
