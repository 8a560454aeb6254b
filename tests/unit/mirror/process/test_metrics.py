"""Counters that several processes increment together."""

from __future__ import annotations

import os

from mirror.process.metrics import Metrics


def test_counters_of_all_processes_are_added_up() -> None:
    metrics = Metrics(2)
    metrics.use_row(0)
    metrics.count_answer("blob", "GET", 206, 0.02, 1000)
    metrics.count_received(5)
    metrics.count_scrubbed(3, 700, 1)
    metrics.note_oldest_check(1.5)
    child = os.fork()
    if not child:
        metrics.use_row(1)
        metrics.count_answer("blob", "GET", 206, 7.0, 500)
        metrics.count_answer("no such", "BREW", 418, 1000.0, 0)
        metrics.add_running(1)
        os._exit(0)
    os.waitpid(child, 0)
    lines = metrics.render({"extra": ("Something else.", 1.5)}).splitlines()
    for line in (
        'storectl_http_requests_total{resource="blob",method="GET",status="206"} 2',
        'storectl_http_requests_total{resource="none",method="other",status="other"} 1',
        'storectl_http_request_duration_seconds_bucket{resource="blob",le="0.01"} 0',
        'storectl_http_request_duration_seconds_bucket{resource="blob",le="0.025"} 1',
        'storectl_http_request_duration_seconds_bucket{resource="blob",le="30.0"} 2',
        'storectl_http_request_duration_seconds_bucket{resource="none",le="120.0"} 0',
        'storectl_http_request_duration_seconds_bucket{resource="none",le="+Inf"} 1',
        'storectl_http_request_duration_seconds_count{resource="blob"} 2',
        'storectl_http_request_duration_seconds_sum{resource="blob"} 7.02',
        'storectl_http_response_bytes_total{resource="blob"} 1500',
        "storectl_http_request_body_bytes_total 5",
        "storectl_http_requests_in_progress 1",
        "storectl_scrub_contents_total 3",
        "storectl_scrub_bytes_total 700",
        "storectl_scrub_errors_total 1",
        "storectl_scrub_oldest_check_timestamp_seconds 1.5",
        "storectl_workers 1",
        "extra 1.5",
        "# TYPE extra gauge",
    ):
        assert line in lines
    assert not any("catalog" in line for line in lines)
    # A new worker continues the counters of its row, but has no request in progress.
    metrics.use_row(1)
    assert "storectl_http_requests_in_progress 0" in metrics.render({})
    assert 'storectl_http_response_bytes_total{resource="blob"} 1500' in metrics.render({})
