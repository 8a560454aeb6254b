from __future__ import annotations

from mirror.process.upstream_metrics import lines
from remote.through.counts import Counts, Outcome


def test_each_counter_is_a_line_with_its_labels() -> None:
    counts = Counts()
    counts.requests["docker.io", Outcome.STALE] += 2
    counts.errors["proxy.example:5000"] += 1
    counts.received_bytes["proxy.example:5000"] += 10**12
    found = list(lines(counts))
    assert [line for line in found if not line.startswith("#")] == [
        'storectl_upstream_requests_total{upstream="docker.io",result="stale"} 2',
        'storectl_upstream_errors_total{registry="proxy.example:5000"} 1',
        'storectl_upstream_received_bytes_total{registry="proxy.example:5000"} 1000000000000',
    ]
    assert sum(line.startswith("# TYPE ") and line.endswith(" counter") for line in found) == 3
