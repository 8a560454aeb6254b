"""Measure questions to a store; an answer takes less time than the start of a process.

One process asks a question many times. The process prints the median cost of an answer, and its
peak memory.

python -m bench.reporting.questions look-up|plan ROOT NAME…
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import exporter
from store import Store
from store.names.resolve import resolve_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_TIMES: Final = 25


@contextmanager
def look_up(store: Store, name: str) -> Iterator[None]:
    """Resolve a name to its image in a new snapshot, like the first step of most commands."""
    with store.read() as connection:
        resolve_image(connection, name)
        yield


@contextmanager
def plan(store: Store, name: str) -> Iterator[None]:
    """Plan a save and lease its blobs, as `exporter.open_save` does before the first byte."""
    with exporter.open_save(store, (name,)) as export:
        assert export.size_bytes  # noqa: S101 - the length is known before a byte
        yield


QUESTIONS: Final[dict[str, Callable[[Store, str], AbstractContextManager[None]]]] = {
    "look-up": look_up,
    "plan": plan,
}


def main() -> None:
    """Ask one question about each name, one after another, and print the cost.

    The first answer is not counted, because it includes the compilation of SQL statements.
    """
    question, root, *names = sys.argv[1:]
    ask, walls, cpus = QUESTIONS[question], [], []
    with Store.open(Path(root)) as store:
        with ask(store, names[0]):
            pass
        for name, _ in zip(cycle(names), range(_TIMES), strict=False):
            wall, cpu = time.perf_counter(), time.process_time()
            with ask(store, name):
                walls.append(time.perf_counter() - wall)
                cpus.append(time.process_time() - cpu)
    print(json.dumps({"wall_s": median(walls), "cpu_s": median(cpus), "peak_bytes": _peak_bytes()}))


def _peak_bytes() -> int:
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
