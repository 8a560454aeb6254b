"""The lines that the server writes to its log."""

from __future__ import annotations

import json
import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage, InvalidURLError

from mirror.process.logs import FIELDS, JsonLines, Text, connections_logger


@pytest.fixture
def record() -> logging.LogRecord:
    return logging.LogRecord("mirror.x", logging.INFO, "file", 1, "a %s", ("b\nc",), None)


def test_record_is_one_line(record: logging.LogRecord) -> None:
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


def test_a_value_with_spaces_is_quoted_in_text() -> None:
    record = logging.LogRecord("m", logging.INFO, "file", 1, "denied", (), None)
    # A client chooses its name: it must not look like another field.
    record.__dict__[FIELDS] = {"agent": 'a/1 user=root "b"\\', "user": None, "path": "/x=1"}
    text = Text().format(record)
    assert text.endswith(r'INFO m denied agent="a/1 user=root \"b\"\\" path=/x=1')


def test_traceback_is_kept() -> None:
    error = RuntimeError("why")
    record = logging.LogRecord(
        "m", logging.ERROR, "file", 1, "failed", (), (RuntimeError, error, None)
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
def test_invalid_request_is_not_quoted(
    message: str, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        connections_logger().error("Error handling request", exc_info=BadHttpMessage(message))
    assert caplog.messages == [f"refused a request that is not HTTP: {kept}"]


def test_invalid_url_is_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        connections_logger().error(
            "Error handling request", exc_info=InvalidURLError("http://user:SECRET@[::1/")
        )
    assert caplog.messages == ["refused a request that is not HTTP: Invalid URL"]
