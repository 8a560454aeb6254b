"""The leader collects when tags that were pulled through are beyond the limits."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from mirror.jobs.cache import CacheLimiting, CacheRule, CacheRules
from mirror.process.metrics import Metrics
from store.catalog.upstream import tags as upstream_tags
from store.errors import NotFound
from store.model.cache_limits import CacheLimits
from store.model.references import Reference
from storectl.commands._programs import collection_program
from tests.support.images import A, B
from tests.support.stored_images import put_image
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store import Store

AGE = timedelta(hours=1)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.jobs.cache.INTERVAL", timedelta(seconds=0.02))
    monkeypatch.setattr("mirror.jobs.cache._LEAST", timedelta(seconds=0.02))


@pytest.fixture
def pulled(store: Store) -> Store:
    """Have tags that were pulled through now and two hours ago, and a tag that was pushed."""
    for name, layer, age in (("x:1", A, 0), ("x:2", B, 2)):
        put_image(store, layer, tags=(name,))
        digest = store.inspect_manifest(name).summary.digest
        with store.write() as connection:
            seen = upstream_tags.UpstreamTag(digest, "", store.now() - age * AGE)
            upstream_tags.put(connection, Reference.parse(name), seen)
    put_image(store, B, tags=("pinned:2",))
    return store


def run_until(
    store: Store,
    limits: CacheLimits,
    is_done: Callable[[Metrics], bool],
    command: Sequence[str] | None = None,
) -> None:
    metrics = Metrics()
    program = command or collection_program(store.root, limits.max_age, limits.max_bytes)
    rule = CacheRule(limits, tuple(program))

    async def main() -> None:
        job = CacheLimiting(store, CacheRules(rule), metrics, ThreadPoolExecutor(1), 60)
        task = asyncio.create_task(job.run())
        await until_in_loop(lambda: is_done(metrics))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        job.close()

    asyncio.run(main())


def value(metrics: Metrics, name: str) -> int:
    (line,) = (one for one in metrics.render({}).splitlines() if one.startswith(f"{name} "))
    return int(line.split()[1])


def test_tags_beyond_the_limits_are_removed_and_counted(
    pulled: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    removed = "storectl_cache_removed_tags_total"
    run_until(pulled, CacheLimits(AGE), lambda metrics: value(metrics, removed) == 1)
    assert pulled.inspect("x:1").image_id
    with pytest.raises(NotFound):
        pulled.inspect("x:2")
    # What was tagged by hand stays, with its image.
    assert pulled.inspect("pinned:2").image_id
    (line,) = (one for one in caplog.records if "pulled through" in one.getMessage())
    assert line.__dict__["fields"]["tags"] == 1


def test_within_the_limits_nothing_runs(pulled: Store) -> None:
    limits = CacheLimits(max_bytes=10**9)
    tags, size = "storectl_cache_tags", "storectl_cache_bytes"
    run_until(pulled, limits, lambda found: value(found, tags) == 2, ("/nowhere",))
    run_until(pulled, limits, lambda found: value(found, size) > 0, ("/nowhere",))


def test_a_failure_is_logged(pulled: Store, caplog: pytest.LogCaptureFixture) -> None:
    run_until(
        pulled, CacheLimits(AGE), lambda _: "cannot start the program" in caplog.text, ("/nowhere",)
    )


def test_one_server_of_a_store_collects(pulled: Store) -> None:
    lock = pulled.locks.lock_task("cache")
    assert lock is not None
    looks = 0

    def is_done(metrics: Metrics) -> bool:
        nonlocal looks
        looks += 1
        return value(metrics, "storectl_cache_tags") > 0 or looks > 100

    run_until(pulled, CacheLimits(AGE), is_done)
    assert looks > 100
    lock.release()


def test_limits_change_at_once(pulled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.jobs.cache.INTERVAL", timedelta(hours=1))
    metrics, rules = Metrics(), CacheRules()

    def is_kept(tags: int) -> bool:
        return value(metrics, "storectl_cache_tags") == tags

    async def main() -> None:
        job = CacheLimiting(pulled, rules, metrics, ThreadPoolExecutor(1), 60)
        task = asyncio.create_task(job.run())
        await asyncio.sleep(0)
        for limits, tags in ((CacheLimits(AGE * 3), 2), (CacheLimits(), 2), (CacheLimits(AGE), 1)):
            program = collection_program(pulled.root, limits.max_age, limits.max_bytes)
            await asyncio.to_thread(rules.change, CacheRule(limits, program))
            await until_in_loop(partial(is_kept, tags))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        job.close()

    asyncio.run(main())
    # The loop has ended: a change that comes now is that of a server that stops.
    rules.change(CacheRule())
    assert rules.rule == CacheRule()


def test_a_shorter_age_is_looked_for_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.jobs.cache.INTERVAL", timedelta(minutes=10))
    assert CacheRule(CacheLimits(max_bytes=1)).interval_s == 600
    assert CacheRule(CacheLimits(timedelta(days=30))).interval_s == 600
    assert CacheRule(CacheLimits(timedelta(minutes=1))).interval_s == 6
