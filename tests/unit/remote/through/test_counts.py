from __future__ import annotations

from remote.through.counts import Counts, Outcome


def test_each_server_counts_for_itself() -> None:
    one, other = Counts(), Counts()
    one.requests["docker.io", Outcome.HIT] += 1
    assert (one.requests["docker.io", Outcome.HIT], other.requests["docker.io", Outcome.HIT]) == (
        1,
        0,
    )
