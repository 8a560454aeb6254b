"""The server's log: one JSON object a line, or text for people.

A request's line is written when its answer has ended.

Nothing of a request gets into it that could be a secret (no headers but ``User-Agent``, no
parameters but ``ns`` where it names a registry), and nothing that could end a line early.
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

from mirror.access.origins import address
from mirror.transfer.channels import SENT
from store.errors import printable

if TYPE_CHECKING:
    from mirror.process.metrics import Metrics

ACCESS: Final = logging.getLogger("mirror.access")
RESOURCE: Final = web.RequestKey("resource", str)
USER: Final = web.RequestKey("user", str)
NAMESPACE: Final = web.RequestKey("namespace", str)
"""The registry that a client says it means, once it was found to be the name of one."""

_FIELDS: Final = "fields"
_LONGEST: Final = 1000
_QUOTE: Final = re.compile(r"""\n|: | b?["'](?![\w-]+' header)""")
"""Where aiohttp's parser begins to quote what it was given; names of headers may stay."""


def access_logger(metrics: Metrics) -> type[AbstractAccessLogger]:
    """A class for aiohttp, which counts every request and logs it."""

    class Observer(AbstractAccessLogger):
        """Sees every answer when its last byte is on its way."""

        @property
        def enabled(self) -> bool:
            """Counting goes on without a log."""
            return True

        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            """One answer; ``time`` is how long it took, in seconds."""
            sent = response.body_length + request.get(SENT, 0)
            metrics.answered(
                request.get(RESOURCE, "none"), request.method, response.status, time, sent
            )
            if ACCESS.isEnabledFor(logging.INFO):
                # Made by hand: `Logger.info` would look up the stack for a line number that is
                # always this one.
                known = {
                    "name": ACCESS.name,
                    "levelno": logging.INFO,
                    "levelname": "INFO",
                    _FIELDS: fields(request, response, time, sent),
                }
                ACCESS.handle(logging.makeLogRecord(known))

    return Observer


def connections_logger() -> logging.Logger:
    """What aiohttp logs of connections to: what is no HTTP is no failure of ours, and needs no traceback."""
    found = logging.getLogger("mirror.connections")
    found.addFilter(_client_fault)
    return found


def _client_fault(record: logging.LogRecord) -> bool:
    cause = record.exc_info[1] if record.exc_info else None
    if not isinstance(cause, HttpProcessingError):
        return True
    record.msg, record.args = "a request that is no HTTP was refused: %s", (reason(cause),)
    record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
    return logging.getLogger(record.name).isEnabledFor(logging.INFO)


def reason(error: HttpProcessingError) -> str:
    """What was wrong, without the bytes that were: there may be a password among them."""
    if isinstance(error, InvalidURLError):
        # All that aiohttp says of one is what it was.
        return "Invalid URL"
    return printable(_QUOTE.split(error.message, maxsplit=1)[0].rstrip(":"))


def fields(
    request: web.BaseRequest, response: web.StreamResponse, seconds: float, sent_bytes: int
) -> dict[str, Any]:
    """What is worth knowing of a request."""
    return {
        "remote": address(request),
        "user": request.get(USER),
        "method": request.method,
        "path": request.rel_url.raw_path[:_LONGEST],
        "ns": request.get(NAMESPACE),
        "status": response.status,
        "bytes": sent_bytes,
        "seconds": round(seconds, 6),
        "agent": request.headers.get("User-Agent", "")[:_LONGEST],
    }


@final
class JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        message = record.getMessage()
        if message:
            line["message"] = message
        line |= record.__dict__.get(_FIELDS, {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"), default=str)


@final
class Text(logging.Formatter):
    """One line, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        known = record.__dict__.get(_FIELDS, {})
        words = [_time(record), record.levelname, record.name, printable(record.getMessage())]
        words += [
            f"{name}={printable(str(value))}" for name, value in known.items() if value is not None
        ]
        text = " ".join(filter(None, words))
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def _time(record: logging.LogRecord) -> str:
    return (
        datetime.fromtimestamp(record.created, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
