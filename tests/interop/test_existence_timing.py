"""Content that a caller may not read is answered in the same time as absent content.

Exact times need a quiet machine and some minutes, so only `make interop` measures them. CI measures
roughly, and counts database statements (`tests/integration/test_existence_oracle.py`).
"""

from __future__ import annotations

import gc
import os
import time
from statistics import median
from typing import TYPE_CHECKING, Final

import pytest

from store import Store
from tests.support.existence_probes import PROBES, Targets, pair, prepare
from tests.support.guarded_mirror import GuardedMirror, guarded_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.existence_probes import Probe

pytestmark = pytest.mark.interop

IS_EXACT: Final = os.environ.get("STORECTL_INTEROP_TIMES") == "exact"
PAIRS: Final = 1000 if IS_EXACT else 60
TOLERANCE: Final = 0.05 if IS_EXACT else 0.5
ATTEMPTS: Final = 3
"""Another program on the machine can disturb a measurement, but not three."""

TIMED: Final = (
    "GET manifests of manifest",
    "GET blobs of layer",
    "HEAD blobs of layer",
    "DELETE blobs of layer",
    "mount of layer",
    "referrers of manifest",
    "push with config",
    "oci archive by ID of manifest",
    "GET oci archive of manifest ",
    "GET legacy archive of config ",
    "GET upload",
    "mallory GET /v2/TARGET/manifests/1",
)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[GuardedMirror, dict[str, Targets]]]:
    root = tmp_path_factory.mktemp("timing") / "store"
    # A mount that fails begins an upload, and a client may have a hundredth of them.
    with (
        Store.open(root, create=True) as store,
        guarded_mirror(store, max_uploads=1_000_000) as ask,
    ):
        yield ask, prepare(store, ask)


@pytest.mark.parametrize("name", TIMED)
def test_unreadable_content_takes_as_long_as_absent_content(
    name: str, served: tuple[GuardedMirror, dict[str, Targets]]
) -> None:
    ask, targets = served
    kind, probe = PROBES[name]
    both = pair(targets, kind)
    differences = []
    for _ in range(ATTEMPTS):
        here, gone = measured(ask, probe, both)
        differences.append(abs(here - gone) / gone)
        if differences[-1] <= TOLERANCE:
            return
    pytest.fail(f"medians differ by {', '.join(f'{one:.1%}' for one in differences)}")


def measured(ask: GuardedMirror, probe: Probe, both: Targets) -> tuple[float, float]:
    """Return the median times of requests for stored and absent content, in seconds.

    The requests alternate, and so does their order, so that a disturbance meets both.
    """
    times: dict[str, list[float]] = {both.here: [], both.gone: []}
    gc.collect()
    gc.disable()
    try:
        for number in range(PAIRS):
            order = (both.here, both.gone) if number % 2 else (both.gone, both.here)
            for target in order:
                begun = time.perf_counter()
                probe(ask, target)
                times[target].append(time.perf_counter() - begun)
    finally:
        gc.enable()
    return median(times[both.here]), median(times[both.gone])
