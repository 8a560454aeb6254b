"""The table of times that worker processes share."""

from __future__ import annotations

import os
import threading

from mirror.shared_times import SharedTimes


def test_times_are_kept_by_name() -> None:
    times = SharedTimes()
    assert times.get(b"a") == 0
    times.put(b"a", 5.0)
    times.put(b"a", 3.0)
    assert times.get(b"a") == 3
    assert times.get(b"b") == 0
    times.add(b"a", 10.0, 2.5)
    times.add(b"a", 10.0, 2.5)
    assert times.get(b"a") == 15


def test_full_bucket_forgets_the_earliest_time() -> None:
    times = SharedTimes(b"key")
    times.put(b"late", 1e9)
    for number in range(50_000):
        times.put(b"%d" % number, float(number))
    assert times.get(b"late") == 1e9
    assert times.get(b"0") == 0
    assert times.get(b"49999") == 49_999


def test_processes_and_threads_add_to_the_same_time() -> None:
    times = SharedTimes()

    def add() -> None:
        for _ in range(500):
            times.add(b"a", 0.0, 1.0)

    child = os.fork()
    if not child:
        add()
        os._exit(0)
    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert times.get(b"a") == 2000
