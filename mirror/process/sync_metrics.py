"""The metrics of scheduled syncs, in Prometheus' text format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from store.catalog.upstream.sync_runs import SyncRun

_GAUGES: Final[tuple[tuple[str, str, Callable[[SyncRun], float]], ...]] = (
    (
        "last_run_timestamp_seconds",
        "When the last run of a sync ended.",
        lambda run: run.ended_at.timestamp(),
    ),
    (
        "last_success_timestamp_seconds",
        "When the last run of a sync without a failure ended; 0 if there was none.",
        lambda run: 0 if run.succeeded_at is None else run.succeeded_at.timestamp(),
    ),
    (
        "last_duration_seconds",
        "How long the last run of a sync took.",
        lambda run: (run.ended_at - run.began_at).total_seconds(),
    ),
    ("images", "Images that the last run of a sync looked at.", lambda run: run.images),
    (
        "moved_images",
        "Images that the last run of a sync pulled, sent or untagged.",
        lambda run: run.moved,
    ),
    ("failed_images", "Images that failed in the last run of a sync.", lambda run: run.failed),
    ("bytes", "Bytes that the last run of a sync transferred.", lambda run: run.size_bytes),
    (
        "consecutive_failures",
        "Runs of a sync that have failed in a row.",
        lambda run: run.failures,
    ),
)


def lines(runs: Iterable[SyncRun]) -> Iterator[str]:
    """Yield the lines of the metrics of syncs.

    Args:
        runs: The last run of each sync.
    """
    ordered = sorted(runs)
    for name, text, value in _GAUGES if ordered else ():
        yield f"# HELP storectl_sync_{name} {text}"
        yield f"# TYPE storectl_sync_{name} gauge"
        for run in ordered:
            label = run.sync.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
            yield f'storectl_sync_{name}{{sync="{label}"}} {_number(value(run))}'


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)
