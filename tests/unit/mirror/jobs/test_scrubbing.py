"""The scrub in a server: it finds damage, counts, lets one process work, and ends at once."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mirror.jobs.leader import JobSettings
from mirror.jobs.scrubbing import Scrubbing
from mirror.process.metrics import Metrics
from mirror.service import MirrorSettings
from store import Store
from store.maintenance.scrub import damaged_contents
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.stored_images import put_image
from tests.support.waiting import PATIENCE_S, until, until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.model.digests import Digest
    from tests.support.mirror_in_process import InProcessMirror

EVERY = timedelta(days=30)


@pytest.fixture
def old(root: Path) -> Iterator[Store]:
    """Open a store whose content was last checked 31 days ago, and of which one blob has rotted."""
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        put_image(store, A, B, tags=("x:1",))
    with Store.open(root, clock=lambda: NOW + timedelta(days=31)) as store:
        digest = min(map(store.blobs.digest, store.blobs.locations()), key=str)
        store.blobs.path(digest).write_bytes(b"rot")
        yield store


def rotten(store: Store) -> Digest:
    return min(map(store.blobs.digest, store.blobs.locations()), key=str)


def run_until(scrubbing: Scrubbing, is_done: Callable[[], bool]) -> None:
    """Run the job until a condition holds, then cancel it."""

    async def job() -> None:
        task = asyncio.create_task(scrubbing.run())
        await until_in_loop(is_done)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(job())


def value(metrics: Metrics, name: str) -> float:
    (line,) = (one for one in metrics.render({}).splitlines() if one.startswith(f"{name} "))
    return float(line.split()[1])


def test_the_server_finds_damage_and_counts_what_it_reads(
    old: Store, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(1) as executor:
        scrubbing = Scrubbing(old, EVERY, 10**9, metrics, executor, first_look_s=0)
        run_until(
            scrubbing,
            lambda: value(metrics, "storectl_scrub_oldest_check_timestamp_seconds") > 0,
        )
    assert value(metrics, "storectl_scrub_contents_total") == 4
    assert value(metrics, "storectl_scrub_bytes_total") > 0
    assert value(metrics, "storectl_scrub_errors_total") == 1
    assert damaged_contents(old) == 2
    (record,) = (one for one in caplog.records if one.levelname == "ERROR")
    assert str(rotten(old)) in record.getMessage()
    assert "docker.io/library/x:1" in record.getMessage()


def test_another_process_that_scrubs_is_waited_for(
    old: Store, caplog: pytest.LogCaptureFixture
) -> None:
    lock = old.locks.lock_scrub()
    assert lock is not None
    caplog.set_level("INFO")
    with ThreadPoolExecutor(1) as executor:
        scrubbing = Scrubbing(old, EVERY, 10**9, Metrics(), executor, first_look_s=0)
        run_until(scrubbing, lambda: "another process is scrubbing" in caplog.text)
    lock.release()
    assert damaged_contents(old) == 0


def test_a_server_that_stops_does_not_wait_for_the_scrub(old: Store) -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(1) as executor:
        # At this rate, the content would take hours.
        scrubbing = Scrubbing(old, EVERY, 1, metrics, executor, first_look_s=0)

        def is_reading() -> bool:
            lock = old.locks.lock_scrub()
            if lock is not None:
                lock.release()
            return lock is None

        run_until(scrubbing, is_reading)
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE_S


def test_only_a_leader_with_a_writable_store_scrubs(
    serve: Callable[..., InProcessMirror], store: Store, root: Path
) -> None:
    from mirror.access import LoginHistory
    from mirror.service import Service
    from mirror.transfer.pools import Pools
    from mirror.variants import Variants
    from store.registry.registry import Registry

    def service(of: Store, **settings: object) -> Service:
        registry = Registry(of)
        pools = Pools(cores=1)
        made = Service(
            of,
            registry,
            MirrorSettings(**settings),  # type: ignore[arg-type] # of this test
            pools,
            Metrics(),
            Variants(of, registry, (), None),
            LoginHistory(),
        )
        pools.close()
        return made

    assert service(store, jobs=JobSettings(scrub_every=EVERY)).jobs.scrubbing is not None
    assert service(store).jobs.scrubbing is None
    assert (
        service(store, jobs=JobSettings(scrub_every=EVERY), is_leader=False).jobs.scrubbing is None
    )
    with Store.open(root, read_only=True) as reader:
        assert service(reader, jobs=JobSettings(scrub_every=EVERY)).jobs.scrubbing is None
    assert (
        serve(MirrorSettings(jobs=JobSettings(scrub_every=EVERY)))("GET", "/readyz").status == 200
    )


def test_the_first_look_is_not_at_the_start_of_a_server(
    serve: Callable[..., InProcessMirror], store: Store
) -> None:
    put_image(store, A, tags=("x:1",))
    ask = serve(MirrorSettings(jobs=JobSettings(scrub_every=timedelta(seconds=10))))
    # A tenth of the time passes before the first look.
    assert b"\nstorectl_scrub_contents_total 0\n" in ask("GET", "/metrics").body
    until(lambda: b"\nstorectl_scrub_contents_total 2\n" in ask("GET", "/metrics").body)
