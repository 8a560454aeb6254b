"""The error codes of the distribution specification, and the JSON bodies that hold errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

from store.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class ErrorCode(StrEnum):
    """The error codes of the distribution specification, and those that Docker's registry adds."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    UNAUTHORIZED = "UNAUTHORIZED"
    DENIED = "DENIED"
    UNSUPPORTED = "UNSUPPORTED"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    PAGINATION_NUMBER_INVALID = "PAGINATION_NUMBER_INVALID"
    RANGE_INVALID = "RANGE_INVALID"
    TAG_INVALID = "TAG_INVALID"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"


@final
@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One error in the JSON body of an answer.

    Args:
        code: The code for programs; a server may send a code that is not in `ErrorCode`.
        message: The sentence for people.
        detail: More facts, any JSON value; None for no facts.
    """

    code: str
    message: str
    detail: object = None


def encode_errors(entries: Iterable[ErrorEntry]) -> bytes:
    """Return the body of an answer that reports errors: one line of JSON."""
    listed: list[dict[str, object]] = []
    for entry in entries:
        members: dict[str, object] = {"code": entry.code, "message": printable(entry.message)}
        if entry.detail is not None:
            members["detail"] = entry.detail
        listed.append(members)
    return json.dumps({"errors": listed}, separators=(",", ":")).encode() + b"\n"


def parse_errors(body: bytes) -> tuple[ErrorEntry, ...]:
    """Return the errors in the body of an answer.

    Args:
        body: Any bytes: proxies send HTML pages, and some registries send plain text.

    Returns:
        The errors in the order of the body; empty if the body is not in the specification's form.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return ()
    return tuple(
        ErrorEntry(_text(one.get("code")), _text(one.get("message")), one.get("detail"))
        for one in errors
        if isinstance(one, dict)
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
