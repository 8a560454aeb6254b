"""Numbers of several processes, and the log."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass

import pytest
from aiohttp.http_exceptions import BadHttpMessage, InvalidURLError

from mirror.process.logs import JsonLines, Text, connections_logger
from mirror.process.metrics import Metrics
from mirror.transfer.body_deadline import BodyDeadline


def test_processes_add_up() -> None:
    metrics = Metrics(2)
    metrics.use_row(0)
    metrics.count_answer("blob", "GET", 206, 0.02, 1000)
    metrics.count_received(5)
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
        "storectl_workers 1",
        "extra 1.5",
        "# TYPE extra gauge",
    ):
        assert line in lines
    assert not any("catalog" in line for line in lines)
    # A worker that is started anew goes on counting, but has no request yet.
    metrics.use_row(1)
    assert "storectl_http_requests_in_progress 0" in metrics.render({})
    assert 'storectl_http_response_bytes_total{resource="blob"} 1500' in metrics.render({})


@pytest.fixture
def record() -> logging.LogRecord:
    return logging.LogRecord("mirror.x", logging.INFO, "file", 1, "a %s", ("b\nc",), None)


def test_a_line_is_a_line(record: logging.LogRecord) -> None:
    record.__dict__["fields"] = {"path": "/x\x1b", "user": None}
    line = JsonLines().format(record)
    assert "\n" not in line
    known = json.loads(line)
    assert (known["message"], known["path"], known["level"], known["logger"]) == (
        "a b\nc",
        "/x\x1b",
        "info",
        "mirror.x",
    )
    assert known["time"].endswith("Z")
    text = Text().format(record)
    assert "\n" not in text
    assert text.endswith("INFO mirror.x a b\\nc path=/x\\x1b")


def test_a_traceback_is_kept() -> None:
    why = RuntimeError("why")
    record = logging.LogRecord(
        "m", logging.ERROR, "file", 1, "failed", (), (RuntimeError, why, None)
    )
    assert "RuntimeError: why" in json.loads(JsonLines().format(record))["traceback"]
    assert Text().format(record).endswith("RuntimeError: why")


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (
            "Invalid header value char:\n\n  b'Authorization: Basic SECRET\x01'\n     ^",
            "Invalid header value char",
        ),
        (
            "Got more than 32768 bytes when reading: b'Bearer SECRET...'.",
            "Got more than 32768 bytes when reading",
        ),
        (
            "Got more than 16384 bytes when reading: bytearray(b'/token?password=SECRET...').",
            "Got more than 16384 bytes when reading",
        ),
        ("Bad status line 'FOO /token?password=SECRET'", "Bad status line"),
        ("Duplicate 'Host' header found.", "Duplicate 'Host' header found."),
    ],
)
def test_a_request_that_is_no_http_is_not_quoted(
    message: str, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        connections_logger().error("Error handling request", exc_info=BadHttpMessage(message))
    assert caplog.messages == [f"refused a request that is not HTTP: {kept}"]


def test_a_target_that_is_none_is_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        connections_logger().error(
            "Error handling request", exc_info=InvalidURLError("http://user:SECRET@[::1/")
        )
    assert caplog.messages == ["refused a request that is not HTTP: Invalid URL"]


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_how_long_to_wait_for_a_body() -> None:
    clock = Clock()
    pace = BodyDeadline(60, 500, clock)
    assert pace.patience_s == 60
    clock.now += 50
    assert pace.patience_s == 10
    pace.extend(1000)
    assert pace.patience_s == 12
    pace.extend(1 << 30)
    assert pace.patience_s == 60
    clock.now += 119
    assert pace.patience_s == pytest.approx(1)
    clock.now += 5
    assert pace.patience_s == 0
