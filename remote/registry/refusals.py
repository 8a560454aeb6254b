"""The errors that the status of an answer means."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from remote.errors import (
    AccessDenied,
    ContentRefused,
    InvalidAnswer,
    RateLimited,
    RegistryFailed,
)
from remote.http.faults import Fault, place
from remote.registry.retries import TRANSIENT, retry_after
from store.errors import printable
from store.formats.distribution.errors import parse_errors

if TYPE_CHECKING:
    from remote.registry.call import Answer, Call

_MAX_TEXT: Final = 300
_CONTENT: Final = frozenset({400, 409, 411, 412, 413, 415, 422})


def refusal(call: Call, answer: Answer, body: bytes, *, now_s: float) -> Fault:
    """Return the fault of a request whose status is not one of success.

    Args:
        call: The request.
        answer: The answer.
        body: The beginning of its body.
        now_s: The time, in seconds since 1970.
    """
    status = answer.status
    reason = f"{place(answer.url)} answered {printable(answer.reason[:80])}{_details(body)}"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Fault(call.fault(AccessDenied, reason, status=status))
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Fault(call.fault(call.not_found, reason, status=status))
    wait_s = retry_after(answer.headers, now_s) if status in TRANSIENT else None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        if wait_s is not None:
            reason += f"; it asks to wait {wait_s:.0f} s"
        error = call.fault(RateLimited, reason, status=status, retry_after_s=wait_s)
    elif status in TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        error = call.fault(RegistryFailed, reason, status=status, retry_after_s=wait_s)
    elif status in _CONTENT and call.method not in {"GET", "HEAD"}:
        error = call.fault(ContentRefused, reason, status=status)
    else:
        error = call.fault(InvalidAnswer, reason, status=status)
    return Fault(error, is_transient=status in TRANSIENT, retry_after_s=wait_s)


def _details(body: bytes) -> str:
    """Return the errors that a body reports, as the end of a sentence."""
    parts = [
        ": ".join(text for text in (entry.code, entry.message) if text)
        for entry in parse_errors(body)[:3]
    ]
    text = "; ".join(part for part in parts if part)
    return f": {printable(text[:_MAX_TEXT])}" if text else ""
