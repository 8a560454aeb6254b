"""Counters of all worker processes, in Prometheus' text format (exposition format 0.0.4).

Each process has a row of counters in memory that all processes share. No process waits for another,
any process can add up the rows, and a worker that replaces another worker continues the same row.
Prometheus' own library instead keeps files for each process and merges them at every scrape.
"""

from __future__ import annotations

import mmap
import os
import struct
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, final

from mirror.process.shared_texts import SharedTexts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RESOURCES: Final = (
    *("base", "catalog", "manifest", "blob", "uploads", "upload", "tags", "referrers"),
    *("archive", "token", "healthz", "readyz", "metrics", "none"),
)
METHODS: Final = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "other")
STATUSES: Final = (
    *("200", "201", "202", "204", "206", "304", "400", "401", "403", "404", "405", "408"),
    *("409", "413", "414", "416", "417", "421", "429", "431", "500", "503", "507", "other"),
)
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0)
EVENTS: Final = (
    *("login_failures", "throttled_logins", "throttled_decoding", "damaged_contents"),
    *("refused_connections", "refused_variants", "denied_requests", "dropped_pulls"),
)


@final
@dataclass(frozen=True, slots=True)
class Family:
    """A family: the metrics that have the same name and differ in their labels.

    Args:
        name: The name that Prometheus reads.
        kind: The type: ``counter``, ``gauge`` or ``histogram``.
        help: The description, one sentence.
        label_names: The names of the labels; empty for a metric without labels.
        labels: The label values of each metric, in the order of the metrics' slots.
        bounds: The upper bounds of a histogram's buckets; empty for other types.
    """

    name: str
    kind: str
    help: str
    label_names: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ((),)
    bounds: tuple[float, ...] = ()

    @property
    def slots(self) -> int:
        """How many numbers the family has in each row."""
        return len(self.labels) * (len(self.bounds) + 2 if self.bounds else 1)


_REQUESTS: Final = Family(
    "storectl_http_requests_total",
    "counter",
    "Requests answered.",
    ("resource", "method", "status"),
    tuple(product(RESOURCES, METHODS, STATUSES)),
)
_DURATION: Final = Family(
    "storectl_http_request_duration_seconds",
    "histogram",
    "Time from the head of a request to the last byte of its answer.",
    ("resource",),
    tuple((one,) for one in RESOURCES),
    SECONDS,
)
_SENT: Final = Family(
    "storectl_http_response_bytes_total",
    "counter",
    "Bytes of answers sent, heads included.",
    ("resource",),
    tuple((one,) for one in RESOURCES),
)
_RECEIVED: Final = Family(
    "storectl_http_request_body_bytes_total", "counter", "Bytes of blobs received."
)
_RUNNING: Final = Family("storectl_http_requests_in_progress", "gauge", "Requests in progress.")
_EVENTS: Final = Family(
    "storectl_events_total",
    "counter",
    "Events that an operator should know.",
    ("event",),
    tuple((one,) for one in EVENTS),
)
_SCRUBBED: Final = Family(
    "storectl_scrub_contents_total", "counter", "Stored contents that the scrub has read."
)
_SCRUBBED_BYTES: Final = Family(
    "storectl_scrub_bytes_total", "counter", "Stored bytes that the scrub has read."
)
_SCRUB_ERRORS: Final = Family(
    "storectl_scrub_errors_total",
    "counter",
    "Contents that the scrub has found damaged, missing or unreadable.",
)
_OLDEST_CHECK: Final = Family(
    "storectl_scrub_oldest_check_timestamp_seconds",
    "gauge",
    "The last check of the content that was not checked for longest; 0 if it is not known.",
)
_CACHED_TAGS: Final = Family(
    "storectl_cache_tags", "gauge", "Tags that were pulled through, within the limits of the cache."
)
_CACHED_BYTES: Final = Family(
    "storectl_cache_bytes", "gauge", "Size of their images, if it is limited."
)
_UNCACHED_TAGS: Final = Family(
    "storectl_cache_removed_tags_total",
    "counter",
    "Tags that were removed because of the limits of the cache.",
)
_UNCACHED_BYTES: Final = Family(
    "storectl_cache_freed_bytes_total", "counter", "Bytes that these removals have freed."
)
_PROCESS: Final = Family("storectl_worker_pid", "gauge", "The process ID of a worker.")
_FAMILIES: Final = (
    *(_REQUESTS, _DURATION, _SENT, _RECEIVED, _RUNNING, _EVENTS),
    *(_SCRUBBED, _SCRUBBED_BYTES, _SCRUB_ERRORS, _OLDEST_CHECK),
    *(_CACHED_TAGS, _CACHED_BYTES, _UNCACHED_TAGS, _UNCACHED_BYTES),
    _PROCESS,
)
_OFFSETS: Final = {
    family.name: sum(one.slots for one in _FAMILIES[:number])
    for number, family in enumerate(_FAMILIES)
}
_ROW: Final = sum(family.slots for family in _FAMILIES)
_WIDTH: Final = struct.calcsize("d")
_RESOURCE: Final = {name: number for number, name in enumerate(RESOURCES)}
_METHOD: Final = {name: number for number, name in enumerate(METHODS)}
_STATUS: Final = {int(name): number for number, name in enumerate(STATUSES[:-1])}
_PER_DURATION: Final = len(SECONDS) + 2
_REQUESTS_AT: Final = _OFFSETS[_REQUESTS.name]
_DURATION_AT: Final = _OFFSETS[_DURATION.name]
_SENT_AT: Final = _OFFSETS[_SENT.name]
_RUNNING_AT: Final = _OFFSETS[_RUNNING.name]


@final
class Metrics:
    """The counters of all worker processes.

    Create the counters before the processes are forked; each process then calls `use_row`. Two
    threads of a process must not count at the same time.

    Args:
        workers: The number of worker processes.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._all = memoryview(mmap.mmap(-1, workers * _ROW * _WIDTH)).cast("d")
        self._mine = self._all[:_ROW]
        self._worker = 0
        self._texts = SharedTexts(workers)

    def use_row(self, worker: int) -> None:
        """From now on, count in the row of the worker that this process runs.

        Args:
            worker: The number of the worker that runs in this process, from 0.
        """
        self._worker = worker
        self._mine = self._all[worker * _ROW : (worker + 1) * _ROW]
        self._mine[_RUNNING_AT] = 0
        self._mine[_OFFSETS[_PROCESS.name]] = os.getpid()

    def add_running(self, step: int) -> None:
        """Change the number of running requests by ``step``.

        Args:
            step: 1 when a request begins, -1 when it ends.
        """
        self._mine[_RUNNING_AT] += step

    def count_answer(
        self, resource: str, method: str, status: int, seconds: float, sent_bytes: int
    ) -> None:
        """Count an answer.

        Args:
            resource: The kind of resource, one of `RESOURCES`.
            method: The HTTP method.
            status: The HTTP status.
            seconds: The time from the head of the request to the end of the answer.
            sent_bytes: The size of the answer, including its head.
        """
        mine = self._mine
        number = _RESOURCE.get(resource, len(RESOURCES) - 1)
        kind = (number * len(METHODS) + _METHOD.get(method, len(METHODS) - 1)) * len(STATUSES)
        mine[_REQUESTS_AT + kind + _STATUS.get(status, len(STATUSES) - 1)] += 1
        slot = _DURATION_AT + number * _PER_DURATION
        mine[slot + bisect_left(SECONDS, seconds)] += 1
        mine[slot + _PER_DURATION - 1] += seconds
        mine[_SENT_AT + number] += sent_bytes

    def count_received(self, size_bytes: int) -> None:
        """Count ``size_bytes`` bytes of a blob that a client has sent."""
        self._mine[_OFFSETS[_RECEIVED.name]] += size_bytes

    def count_event(self, event: str, count: int = 1) -> None:
        """Count an event.

        Args:
            event: One of `EVENTS`.
            count: How many times it has happened.
        """
        self._mine[_OFFSETS[_EVENTS.name] + EVENTS.index(event)] += count

    def count_scrubbed(self, contents: int, size_bytes: int, errors: int) -> None:
        """Count what the scrub has read.

        Args:
            contents: The number of contents.
            size_bytes: The number of bytes.
            errors: The number of contents that are damaged, missing or unreadable.
        """
        self._mine[_OFFSETS[_SCRUBBED.name]] += contents
        self._mine[_OFFSETS[_SCRUBBED_BYTES.name]] += size_bytes
        self._mine[_OFFSETS[_SCRUB_ERRORS.name]] += errors

    def note_oldest_check(self, timestamp: float) -> None:
        """Note when the content was checked that was not checked for longest.

        Only the worker that scrubs calls this, because the values of all workers are added.

        Args:
            timestamp: The time in seconds since the epoch; 0 for content that was never checked.
        """
        self._mine[_OFFSETS[_OLDEST_CHECK.name]] = timestamp

    def note_cache(self, tags: int, size_bytes: int) -> None:
        """Note what was pulled through and stays; only the leader calls this.

        Args:
            tags: The number of tags.
            size_bytes: The size of their images, in bytes.
        """
        self._mine[_OFFSETS[_CACHED_TAGS.name]] = tags
        self._mine[_OFFSETS[_CACHED_BYTES.name]] = size_bytes

    def count_uncached(self, tags: int, size_bytes: int) -> None:
        """Count what was removed because of the limits of the cache.

        Args:
            tags: The number of tags.
            size_bytes: How many bytes became free.
        """
        self._mine[_OFFSETS[_UNCACHED_TAGS.name]] += tags
        self._mine[_OFFSETS[_UNCACHED_BYTES.name]] += size_bytes

    def share(self, text: bytes) -> None:
        """Let all processes read further counters of this one.

        Args:
            text: The counters.
        """
        self._texts.put(self._worker, text)

    def shared(self) -> bytes:
        """Return what this process has shared, or the one that it replaces."""
        return self._texts.get(self._worker)

    def shared_by_others(self) -> list[bytes]:
        """Return what all other processes have shared."""
        return self._texts.others(self._worker)

    def render(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Return all metrics in Prometheus' text format.

        Args:
            gauges: Further metrics, measured by the caller: description and value by name.
        """
        lines: list[str] = []
        for family in _FAMILIES[:-1]:
            lines += _head(family.name, family.kind, family.help)
            lines += _samples(family, self._sums(family))
        for name, (text, value) in (dict(gauges) | _processes(self._pids())).items():
            lines += _head(name, "counter" if name.endswith("_total") else "gauge", text)
            lines.append(f"{name} {_number(value)}")
        return "\n".join(lines) + "\n"

    def _sums(self, family: Family) -> list[float]:
        start = _OFFSETS[family.name]
        rows = [
            self._all[worker * _ROW + start : worker * _ROW + start + family.slots].tolist()
            for worker in range(self._workers)
        ]
        return [sum(column) for column in zip(*rows, strict=True)]

    def _pids(self) -> list[int]:
        return [
            int(self._all[worker * _ROW + _OFFSETS[_PROCESS.name]])
            for worker in range(self._workers)
        ]


def _head(name: str, kind: str, text: str) -> Iterable[str]:
    return (f"# HELP {name} {text}", f"# TYPE {name} {kind}")


def _samples(family: Family, values: list[float]) -> Iterator[str]:
    """Yield the lines of a family; metrics with labels are left out while they are zero."""
    if not family.bounds:
        for labels, value in zip(family.labels, values, strict=True):
            if value or not labels:
                yield f"{family.name}{_labels(family, labels)} {_number(value)}"
        return
    width = len(family.bounds) + 2
    for number, labels in enumerate(family.labels):
        buckets, total_s = (
            values[number * width : (number + 1) * width - 1],
            values[(number + 1) * width - 1],
        )
        if not any(buckets):
            continue
        count = 0.0
        for bound, value in zip((*map(str, family.bounds), "+Inf"), buckets, strict=True):
            count += value
            yield f"{family.name}_bucket{_labels(family, labels, bound)} {_number(count)}"
        yield f"{family.name}_sum{_labels(family, labels)} {_number(total_s)}"
        yield f"{family.name}_count{_labels(family, labels)} {_number(count)}"


def _labels(family: Family, values: tuple[str, ...], bound: str | None = None) -> str:
    pairs = [f'{name}="{value}"' for name, value in zip(family.label_names, values, strict=True)]
    if bound is not None:
        pairs.append(f'le="{bound}"')
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _processes(pids: Iterable[int]) -> dict[str, tuple[str, float]]:
    """Return processor time, memory and open files of all workers together, from proc(5)."""
    cpu_s = resident = files = workers = 0.0
    for pid in filter(None, pids):
        with suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - faster than `Path`, and called at every scrape
                fields = file.read().rpartition(")")[2].split()
            cpu_s += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            resident += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
            files += len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
            workers += 1
    return {
        "storectl_workers": ("Running worker processes.", workers),
        "process_cpu_seconds_total": (
            "Processor time of all workers, in seconds.",
            round(cpu_s, 2),
        ),
        "process_resident_memory_bytes": (
            "Resident memory of all workers; shared memory is counted once per worker.",
            resident,
        ),
        "process_open_fds": ("Open file descriptors of all workers.", files),
    }
