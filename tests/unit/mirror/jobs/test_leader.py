"""The jobs of the leader; a server that stores nothing has none."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

from mirror.jobs.cache import CacheRules
from mirror.jobs.leader import JobSettings, leader_jobs
from mirror.jobs.syncs import SyncSchedule
from mirror.process.metrics import Metrics
from store import Store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_that_stores_nothing_has_no_jobs(store: Store, root: Path) -> None:
    settings = JobSettings(scrub_every=timedelta(1), syncs=SyncSchedule(), cache=CacheRules())

    async def main() -> None:
        with ThreadPoolExecutor(1) as scrubber:
            jobs = leader_jobs(store, Metrics(), scrubber, settings)
            assert None not in {jobs.scrubbing, jobs.syncs, jobs.cache}
            jobs.start()
            await asyncio.sleep(0)
            jobs.stop()
            await jobs.close()
            with Store.open(root, read_only=True) as reader:
                none = leader_jobs(reader, Metrics(), scrubber, settings)
            assert (none.scrubbing, none.syncs, none.cache) == (None, None, None)
            none = leader_jobs(store, Metrics(), scrubber, JobSettings())
            assert (none.scrubbing, none.syncs, none.cache) == (None, None, None)

    asyncio.run(main())
