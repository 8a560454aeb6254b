"""The threads of an operation, and what they leave behind."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from store.encoder import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_what_is_dropped_with_the_pool_does_not_stay_open(tmp_path: Path) -> None:
    pool = Pool(1)
    busy = threading.Event()
    # The lane that syncs is kept busy, so that nothing behind has begun when the pool is closed.
    pool._syncs.submit(busy.wait)
    with (tmp_path / "staged").open("wb", buffering=0) as file:
        waiting = [pool.sync(file) for _ in range(3)]
    threading.Timer(0.2, busy.set).start()
    pool.close()
    assert [future.cancelled() for future in waiting] == [True] * 3
    assert str(tmp_path / "staged") not in set(open_files())


def open_files() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        # The one that lists them is gone by now.
        with suppress(OSError):
            yield str(descriptor.readlink())
