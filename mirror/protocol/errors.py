"""Errors as the distribution specification puts them on the wire: a status, a code and a sentence."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self, final

from store import errors

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
class WireError(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})
        self.scope = ""
        """What a client that has to log in should ask for."""

    @classmethod
    def of(cls, error: errors.StoreError) -> Self:
        """What an error of the store's looks like from outside: nothing of ours is in it that a client has no use for, paths least of all."""
        status, code = next(_TABLE[known] for known in type(error).__mro__ if known in _TABLE)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return cls(status, code, _UNAVAILABLE.get(status, "the registry failed"))
        return cls(status, code, _said(error), detail=_detail(error))

    @classmethod
    def forbidden(cls, user: str | None, action: str, name: str) -> Self:
        """Somebody may not do this there.

        Who has not said a name is asked for it: `scope` is what for.
        """
        if user is not None:
            return cls(403, "DENIED", f"{user} may not {action} in {name}")
        error = cls(401, "UNAUTHORIZED", "log in first")
        error.scope = f"repository:{name}:{_SCOPES.get(action, action)}"
        return error

    @property
    def body(self) -> bytes:
        """The JSON of it."""
        one: dict[str, object] = {"code": self.code, "message": errors.printable(self.message)}
        if self.detail is not None:
            one["detail"] = self.detail
        return json.dumps({"errors": [one]}, separators=(",", ":")).encode() + b"\n"


def _said(error: errors.StoreError) -> str:
    if isinstance(error, errors.MissingBlobs):
        first = str(error.missing[0][2]) if error.missing else ""
        more = f" and {len(error.missing) - 1} more" if len(error.missing) > 1 else ""
        return f"push what the manifest names first: the repository lacks {first}{more}"
    if isinstance(error, errors.IncompleteImage):
        return (
            f"{len(error.missing)} thing(s) that the images name are not here: platform= picks what"
            " is, sparse takes an index as it is"
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

_UNAVAILABLE: Final = {
    503: "the registry cannot do this now; try again later",
    507: "the registry has no space left",
}

_TABLE: Final[dict[type[errors.StoreError], tuple[int, str]]] = {
    errors.StoreError: (500, "UNKNOWN"),
    errors.InvalidInput: (400, "MANIFEST_INVALID"),
    errors.InvalidDigest: (400, "DIGEST_INVALID"),
    errors.InvalidReference: (400, "NAME_INVALID"),
    errors.DigestMismatch: (400, "DIGEST_INVALID"),
    errors.MissingBlobs: (404, "MANIFEST_BLOB_UNKNOWN"),
    errors.TooLarge: (413, "SIZE_INVALID"),
    errors.NotFound: (404, "MANIFEST_UNKNOWN"),
    errors.RepositoryNotFound: (404, "NAME_UNKNOWN"),
    errors.ReferenceNotFound: (404, "MANIFEST_UNKNOWN"),
    errors.ContentNotFound: (404, "BLOB_UNKNOWN"),
    errors.UploadNotFound: (404, "BLOB_UPLOAD_UNKNOWN"),
    errors.Conflict: (409, "DENIED"),
    errors.IncompleteImage: (404, "MANIFEST_BLOB_UNKNOWN"),
    errors.OutOfOrder: (416, "BLOB_UPLOAD_INVALID"),
    errors.UploadInUse: (409, "BLOB_UPLOAD_INVALID"),
    errors.TooManyUploads: (429, "TOOMANYREQUESTS"),
    errors.IntegrityError: (500, "UNKNOWN"),
    errors.Unavailable: (503, "UNAVAILABLE"),
    errors.StorageFull: (507, "UNAVAILABLE"),
    errors.ReadOnlyStore: (405, "UNSUPPORTED"),
}
"""The nearest class above an error decides; `StoreError` is above them all."""
