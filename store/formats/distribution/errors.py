"""Error bodies: the codes of the distribution specification, and their JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

from store.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class ErrorCode(StrEnum):
    """Codes of the specification, and codes that Docker's registry added."""

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
    """One error of a body; a server may send a code that `ErrorCode` lacks."""

    code: str
    message: str
    detail: object = None


def encode_errors(entries: Iterable[ErrorEntry]) -> bytes:
    """Return the body of an answer that reports errors, as one line of JSON.

    Args:
        entries: The errors.
    """
    listed: list[dict[str, object]] = []
    for entry in entries:
        members: dict[str, object] = {"code": entry.code, "message": printable(entry.message)}
        if entry.detail is not None:
            members["detail"] = entry.detail
        listed.append(members)
    return json.dumps({"errors": listed}, separators=(",", ":")).encode() + b"\n"


def parse_errors(body: bytes) -> tuple[ErrorEntry, ...]:
    """Read the errors of an answer.

    Args:
        body: The body; proxies send pages of HTML, and some registries send plain text.

    Returns:
        The errors in order; none if the body is not in the specification's form.
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
