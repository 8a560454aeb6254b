from __future__ import annotations

from remote.through.counts import Counts, Outcome


def test_each_server_counts_for_itself() -> None:
    one, other = Counts(), Counts()
    one.requests["docker.io", Outcome.HIT] += 1
    assert (one.requests["docker.io", Outcome.HIT], other.requests["docker.io", Outcome.HIT]) == (
        1,
        0,
    )


def test_counters_of_several_processes_are_added() -> None:
    one, other = Counts(), Counts()
    one.requests["docker.io", Outcome.HIT] += 2
    one.errors["docker.io"] += 1
    other.requests["docker.io", Outcome.HIT] += 3
    other.received_bytes["docker.io"] += 1 << 40
    other.add(one.dump())
    other.add(b"")
    assert other.requests == {("docker.io", Outcome.HIT): 5}
    assert other.errors == {"docker.io": 1}
    assert other.received_bytes == {"docker.io": 1 << 40}
