"""Error answers: a status, a code of the distribution specification and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self, final

from store import errors
from store.formats.distribution.errors import ErrorCode, ErrorEntry, encode_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY_S: Final = 60
"""How long a client is asked to wait if it has too many uploads in progress, in seconds."""

BUSY_RETRY_S: Final = 5
"""How long a client is asked to wait if the store cannot be used now, in seconds."""

MAX_MESSAGE_CHARACTERS: Final = 1000
"""The length of the sentence in an answer; a longer sentence is cut off."""

MAX_DETAILS: Final = 100
"""The number of facts in an answer, such as missing blobs."""


NOT_LOGGED_IN: Final = "not logged in"
"""The reason of a `Denial` to a caller without a name."""


@final
@dataclass(frozen=True, slots=True)
class Denial:
    """Why access was denied, for the audit log.

    Args:
        reason: What the caller lacks, in a few words.
        action: The denied action: ``read``, ``write`` or ``delete``; empty if it is unknown.
        repository: The full name of the repository; empty if it is unknown.
        claimed_user: The known user that wrong credentials name; None if they name none.
    """

    reason: str
    action: str = ""
    repository: str = ""
    claimed_user: str | None = None


@final
class WireError(Exception):
    """An answer that reports an error.

    Args:
        status: The HTTP status.
        code: The code in the body, for programs.
        message: The sentence in the body, for people.
        detail: More facts for programs, any JSON value; None for no facts.
        headers: Additional headers of the answer.
        scope: The scope of the token that a client has to request; empty for no particular scope.
        denial: Why access was denied; None if the error is none of access.
    """

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        message: str,
        *,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        denial: Denial | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})
        self.scope = scope
        self.denial = denial

    @classmethod
    def of(cls, error: errors.StoreError) -> Self:
        """Return the answer for an error of the store.

        The answer contains facts that a client can use. The answer reveals nothing about the
        server, for example no paths.
        """
        status, code = next(_TABLE[known] for known in type(error).__mro__ if known in _TABLE)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            headers = (
                {"Retry-After": str(BUSY_RETRY_S)}
                if status == HTTPStatus.SERVICE_UNAVAILABLE
                else None
            )
            message = _SERVER_FAILURES.get(status, "the registry failed")
            return cls(status, code, message, headers=headers)
        headers = {"Retry-After": str(RETRY_S)} if status == HTTPStatus.TOO_MANY_REQUESTS else None
        return cls(status, code, _message(error), detail=_detail(error), headers=headers)

    @classmethod
    def forbidden(cls, user: str | None, action: str, name: str) -> Self:
        """Return the answer to a caller that lacks a permission.

        Args:
            user: The caller's name; None for an anonymous caller, who is asked to log in.
            action: The refused action: ``read``, ``write`` or ``delete``.
            name: The name of the repository.
        """
        if user is not None:
            return cls(403, ErrorCode.DENIED, f"{user} may not {action} in {name}")
        return cls(
            401,
            ErrorCode.UNAUTHORIZED,
            "log in first",
            scope=f"repository:{name}:{_SCOPES.get(action, action)}",
        )

    @property
    def body(self) -> bytes:
        """The body of the answer, as JSON."""
        message, detail = self.message, self.detail
        if len(message) > MAX_MESSAGE_CHARACTERS:
            message = f"{message[:MAX_MESSAGE_CHARACTERS]}…"
        if isinstance(detail, list):
            detail = detail[:MAX_DETAILS]
        return encode_errors((ErrorEntry(self.code, message, detail),))


def _message(error: errors.StoreError) -> str:
    if isinstance(error, errors.MissingBlobs):
        first = str(error.missing[0][2]) if error.missing else ""
        more = f" and {len(error.missing) - 1} more" if len(error.missing) > 1 else ""
        return f"push the manifest's blobs first: the repository lacks {first}{more}"
    if isinstance(error, errors.IncompleteImage):
        return (
            f"missing blobs: the images lack {len(error.missing)}; select a complete"
            " platform with platform=OS/ARCH, or accept an incomplete index with sparse"
        )
    return error.message.split("\n")[0]


def _detail(error: errors.StoreError) -> object:
    if isinstance(error, errors.MissingBlobs):
        return [{"digest": str(digest)} for _, _, digest in error.missing]
    if isinstance(error, errors.IncompleteImage):
        return list(error.missing)
    if isinstance(error, errors.ContentNotFound):
        return {"digest": str(error.digest)}
    return None


_SCOPES: Final = {"read": "pull", "write": "pull,push"}

_SERVER_FAILURES: Final = {
    503: "the registry cannot do this now; try again later",
    507: "the registry has no space left",
}

_TABLE: Final[dict[type[errors.StoreError], tuple[int, ErrorCode]]] = {
    errors.StoreError: (500, ErrorCode.UNKNOWN),
    errors.InvalidInput: (400, ErrorCode.MANIFEST_INVALID),
    errors.InvalidDigest: (400, ErrorCode.DIGEST_INVALID),
    errors.InvalidReference: (400, ErrorCode.NAME_INVALID),
    errors.DigestMismatch: (400, ErrorCode.DIGEST_INVALID),
    errors.MissingBlobs: (404, ErrorCode.MANIFEST_BLOB_UNKNOWN),
    errors.TooLarge: (413, ErrorCode.SIZE_INVALID),
    errors.NotFound: (404, ErrorCode.MANIFEST_UNKNOWN),
    errors.RepositoryNotFound: (404, ErrorCode.NAME_UNKNOWN),
    errors.ReferenceNotFound: (404, ErrorCode.MANIFEST_UNKNOWN),
    errors.ContentNotFound: (404, ErrorCode.BLOB_UNKNOWN),
    errors.UploadNotFound: (404, ErrorCode.BLOB_UPLOAD_UNKNOWN),
    errors.Conflict: (409, ErrorCode.DENIED),
    errors.IncompleteImage: (404, ErrorCode.MANIFEST_BLOB_UNKNOWN),
    errors.OutOfOrder: (416, ErrorCode.BLOB_UPLOAD_INVALID),
    errors.UploadInUse: (409, ErrorCode.BLOB_UPLOAD_INVALID),
    errors.TooManyUploads: (429, ErrorCode.TOOMANYREQUESTS),
    errors.IntegrityError: (500, ErrorCode.UNKNOWN),
    errors.DiffMismatch: (404, ErrorCode.MANIFEST_BLOB_UNKNOWN),
    errors.Unavailable: (503, ErrorCode.UNAVAILABLE),
    errors.StorageFull: (507, ErrorCode.UNAVAILABLE),
    errors.ReadOnlyStore: (405, ErrorCode.UNSUPPORTED),
}
"""The status and code of each class of errors; an unlisted class has those of its base class."""
