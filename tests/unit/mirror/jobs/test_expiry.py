"""What has expired is removed at intervals, also after a failure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from mirror.jobs.expiry import expire
from mirror.transfer.pools import Pools
from store.errors import StorageFull
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from store import Store


def test_failed_expiry_of_uploads_is_tried_again(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    registry, pools = Mock(), Pools(cores=1)
    registry.uploads.remove_strays.return_value = 0
    registry.uploads.expire.side_effect = [StorageFull("no space left"), *[3] * 1000]

    async def main() -> None:
        task = asyncio.create_task(expire(store, registry, pools, interval_s=0.001))
        await until_in_loop(lambda: "expired uploads=3" in caplog.text)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with caplog.at_level("INFO"):
        asyncio.run(main())
    pools.close()
    assert "cannot expire uploads: no space left" in caplog.text
