"""The server's log: one JSON object or one line of text per event.

A request is logged when its answer has ended. The log contains no part of a request that could be
secret: ``User-Agent`` is the only logged header, and a valid ``ns`` is the only logged parameter.
Characters that could end a line early are escaped.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import InvalidURLError

from mirror.origin.origins import address
from mirror.transfer.channels import SENT
from store.errors import printable

if TYPE_CHECKING:
    from mirror.process.metrics import Metrics

ACCESS: Final = logging.getLogger("mirror.access")
RESOURCE: Final = web.RequestKey("resource", str)
USER: Final = web.RequestKey("user", str)
NAMESPACE: Final = web.RequestKey("namespace", str)
"""The registry that the ``ns`` parameter names, if it is a valid name."""

FIELDS: Final = "fields"
"""The attribute of a log record that holds the fields of its line."""

_MAX_CHARACTERS: Final = 1000
_QUOTE: Final = re.compile(r"""\n|: | b?["'](?![\w-]+' header)""")
"""Matches where aiohttp's message begins to quote the request; names of headers may stay."""


def access_logger(metrics: Metrics) -> type[AbstractAccessLogger]:
    """Return a class for aiohttp that counts and logs every request.

    Args:
        metrics: The counters in which each request is counted.
    """

    class Observer(AbstractAccessLogger):
        """Counts and logs answers; aiohttp calls `log` after writing the whole answer."""

        @property
        def enabled(self) -> bool:
            """Always True, because requests are counted even if they are not logged."""
            return True

        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            """Count and log one answer.

            Args:
                request: The request that was answered.
                response: The answer that was sent.
                time: The time from the head of the request to the end of the answer, in seconds.
            """
            sent = response.body_length + request.get(SENT, 0)
            metrics.count_answer(
                request.get(RESOURCE, "none"), request.method, response.status, time, sent
            )
            if ACCESS.isEnabledFor(logging.INFO):
                ACCESS.info("", extra={FIELDS: fields(request, response, time, sent)})

    return Observer


def connections_logger() -> logging.Logger:
    """Return the logger for aiohttp's connections.

    The logger reports a request that is not HTTP in one line at level INFO, without a traceback,
    because the client is at fault.
    """
    connections = logging.getLogger("mirror.connections")
    connections.addFilter(_client_fault)
    return connections


def _client_fault(record: logging.LogRecord) -> bool:
    cause = record.exc_info[1] if record.exc_info else None
    if not isinstance(cause, HttpProcessingError):
        return True
    record.msg, record.args = "refused a request that is not HTTP: %s", (reason(cause),)
    record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
    return logging.getLogger(record.name).isEnabledFor(logging.INFO)


def reason(error: HttpProcessingError) -> str:
    """Return what is wrong with a request, without its text: a request may contain a password.

    Args:
        error: The error of aiohttp's parser.
    """
    if isinstance(error, InvalidURLError):
        # The message of this error is the URL alone.
        return "Invalid URL"
    return printable(_QUOTE.split(error.message, maxsplit=1)[0].rstrip(":"))


def fields(
    request: web.BaseRequest, response: web.StreamResponse, seconds: float, sent_bytes: int
) -> dict[str, Any]:
    """Return the fields of a request's log line.

    Args:
        request: The request that was answered.
        response: The answer that was sent.
        seconds: The time from the head of the request to the end of the answer.
        sent_bytes: How many bytes of the answer were sent, including its head.
    """
    return {
        "remote": address(request),
        "user": request.get(USER),
        "method": request.method,
        "path": logged_path(request),
        "ns": request.get(NAMESPACE),
        "status": response.status,
        "bytes": sent_bytes,
        "seconds": round(seconds, 6),
        "agent": request.headers.get("User-Agent", "")[:_MAX_CHARACTERS],
    }


def logged_path(request: web.BaseRequest) -> str:
    """Return the path of a request, cut off if it is very long; it contains no parameters.

    Args:
        request: Any request.
    """
    return request.rel_url.raw_path[:_MAX_CHARACTERS]


@final
class JsonLines(logging.Formatter):
    """A formatter that writes one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        message = record.getMessage()
        if message:
            line["message"] = message
        line |= record.__dict__.get(FIELDS, {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"), default=str)


@final
class Text(logging.Formatter):
    """A formatter that writes readable text, one line per record unless there is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text; control characters are escaped."""
        values = record.__dict__.get(FIELDS, {})
        words = [_time(record), record.levelname, record.name, printable(record.getMessage())]
        words += [f"{name}={_word(value)}" for name, value in values.items() if value is not None]
        text = " ".join(filter(None, words))
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def _word(value: object) -> str:
    """Return a value as one word: in quotation marks if it has spaces."""
    text = str(value)
    if " " in text or '"' in text:
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return printable(text)


def _time(record: logging.LogRecord) -> str:
    return (
        datetime.fromtimestamp(record.created, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
