"""Every error the store raises, one tree.

::

    StoreError
    ├── InvalidInput             what was handed in is wrong; the store is unchanged
    │   ├── InvalidDigest
    │   ├── InvalidReference
    │   ├── InvalidArchive       an archive is not what it claims to be
    │   │   ├── TruncatedInput   it ends in the middle of something
    │   │   ├── UnsafePath       a path leaves the archive, or its links loop
    │   │   ├── MissingMember    a file that it names is not in it
    │   │   └── CorruptStream    compressed data fails its own checks
    │   ├── InvalidDocument      JSON that is not the document it should be
    │   ├── DigestMismatch       bytes do not have the digest claimed for them
    │   ├── MissingLayers        diffs neither in the archive nor in the store
    │   ├── MissingBlobs         what manifests point at, neither in the archive nor in the store
    │   ├── TooLarge             a ceiling of `store.model.limits.Limits` was passed
    │   └── NothingToExport      an image without layers cannot be a legacy archive
    ├── NotFound                 a name or digest the store does not know
    │   ├── ReferenceNotFound
    │   ├── ImageNotFound
    │   ├── RepositoryNotFound   nothing was ever pushed, tagged or imported under this name
    │   ├── ContentNotFound      a repository does not hold this digest
    │   └── UploadNotFound       no such upload is in progress
    ├── Conflict                 the request contradicts what is stored
    │   ├── AmbiguousName        a short ID with several matches
    │   ├── NameTaken            a tag would move that was to stay
    │   ├── IncompleteImage      an index of which something is not here cannot be saved whole
    │   ├── DiffMismatch         the layers of a pushed image are not those that its config names
    │   ├── ImageInUse           other names or images depend on it
    │   ├── OutOfOrder           a piece of an upload that does not begin where the last one ended
    │   ├── UploadInUse          another request is writing to this upload
    │   └── TooManyUploads       no more uploads are begun while so many are in progress
    ├── IntegrityError           what is stored is not what was stored
    │   ├── DamagedContent       bytes on disk no longer have their digest
    │   └── ContentMissing       a file is gone, or content was never complete
    └── Unavailable              the place for the bytes cannot do it now
        ├── StorageFull
        ├── ReadOnlyStore
        ├── PermissionDenied
        ├── StoreBusy            another writer holds the store too long
        ├── StoreNotFound        there is no store at this root
        └── SchemaMismatch       the database is newer than, or foreign to, this program

The class says what a caller may do about it, the attributes carry the facts, the text is one
rendering of them. ``hint`` says what to do next, where that needs no flag or command; ``remedy``
names what to do where it does, and the user interface puts it into words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.model.base_errors import (
    InvalidDigest,
    InvalidInput,
    InvalidReference,
    StoreError,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.model.digests import DiffID, Digest, ImageID
    from store.model.remedies import Remedy

__all__ = [
    "AmbiguousName",
    "Conflict",
    "ContentMissing",
    "ContentNotFound",
    "CorruptStream",
    "DamagedContent",
    "DiffMismatch",
    "DigestMismatch",
    "ImageInUse",
    "ImageNotFound",
    "IncompleteImage",
    "IntegrityError",
    "InvalidArchive",
    "InvalidDigest",
    "InvalidDocument",
    "InvalidInput",
    "InvalidReference",
    "MissingBlobs",
    "MissingLayers",
    "MissingMember",
    "NameTaken",
    "NotFound",
    "NothingToExport",
    "OutOfOrder",
    "PermissionDenied",
    "ReadOnlyStore",
    "ReferenceNotFound",
    "RepositoryNotFound",
    "SchemaMismatch",
    "StorageFull",
    "StoreBusy",
    "StoreError",
    "StoreNotFound",
    "TooLarge",
    "TooManyUploads",
    "TruncatedInput",
    "Unavailable",
    "UnsafePath",
    "UploadInUse",
    "UploadNotFound",
    "printable",
]


class InvalidArchive(InvalidInput):
    """An archive that is not what it claims to be.

    ``member`` is the name of the tar member concerned, ``offset`` the byte offset in the
    (decompressed) archive; each is None where it makes no sense.
    """

    usual_hint = (
        "the archive is damaged, or was put together wrongly: copy it again, or make it anew"
    )

    def __init__(
        self,
        message: str,
        *,
        member: str | None = None,
        offset: int | None = None,
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        where = "".join(
            (
                f", member {printable(member)!r}" if member is not None else "",
                f", at byte {offset}" if offset is not None else "",
            )
        )
        super().__init__(f"{message}{where}", hint=hint, remedy=remedy)
        self.member = member
        self.offset = offset


class TruncatedInput(InvalidArchive):
    """Input that ends in the middle of something."""

    usual_hint = "it was cut short: copy it again, or make it anew"


class UnsafePath(InvalidArchive):
    """A path that lexically leaves the archive, or links that never end."""

    usual_hint = (
        "no tool that saves images writes such paths: look twice at where the archive comes from"
    )


class MissingMember(InvalidArchive):
    """A file that the archive names but does not hold."""

    usual_hint = "the archive is not whole: copy it again, or make it anew"


class CorruptStream(InvalidArchive):
    """Compressed data that fails its own checks."""

    usual_hint = "the data was damaged on its way: copy it again, or make it anew"


class InvalidDocument(InvalidInput):
    """JSON that is not the document it should be. ``document`` says which."""

    usual_hint = (
        "the document was edited, or written by a faulty tool: make it anew with the tool that"
        " should have written it"
    )

    def __init__(
        self,
        message: str,
        *,
        document: str | None = None,
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(
            f"{document}: {message}" if document else message, hint=hint, remedy=remedy
        )
        self.document = document


class DigestMismatch(InvalidInput):
    """Bytes that do not have the digest claimed for them."""

    usual_hint = (
        "the bytes are damaged, or what names them lies: copy the archive again, or make it anew"
    )

    def __init__(
        self,
        what: str,
        *,
        want: object,
        got: object,
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(f'{what}: expected "{want}", got "{got}"', hint=hint, remedy=remedy)
        self.want = want
        self.got = got


class MissingLayers(InvalidInput):
    """Diffs that are neither in the archive nor in the store.

    ``missing`` has one ``(image, position, diff_id)`` for each, position counted from 0 at the
    base.
    """

    def __init__(self, missing: Sequence[tuple[str, int, DiffID]]) -> None:
        lines = "".join(
            f"\n  layer {position} of {printable(image)}: {diff_id}"
            for image, position, diff_id in missing
        )
        super().__init__(
            f"{len(missing)} layer(s) are neither in the archive nor in the store:{lines}",
            hint=(
                "import an archive that carries these layers first, or save the image again with"
                " all of its layers"
            ),
        )
        self.missing = tuple(missing)


class MissingBlobs(InvalidInput):
    """What manifests point at and is neither in the archive nor in the store.

    ``missing`` has one ``(document, role and position, digest)`` for each.
    """

    def __init__(self, missing: Sequence[tuple[str, str, Digest]]) -> None:
        lines = "".join(f"\n  {role} of {document}: {digest}" for document, role, digest in missing)
        super().__init__(
            f"{len(missing)} blob(s) are neither in the archive nor in the store:{lines}",
            hint=(
                "import an archive that carries them first, or make this one anew with everything"
                " in it"
            ),
        )
        self.missing = tuple(missing)


class TooLarge(InvalidInput):
    """A ceiling was passed. ``limit`` is that ceiling."""

    usual_hint = "sound images stay far below it: look twice at where the archive comes from"

    def __init__(
        self, message: str, *, limit: int, hint: str | None = None, remedy: Remedy | None = None
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.limit = limit


class NothingToExport(InvalidInput):
    """An image without layers cannot be a legacy archive."""


class NotFound(StoreError):
    """A name or digest the store does not know."""


class ReferenceNotFound(NotFound):
    """No such tag or digest reference."""


class ImageNotFound(NotFound):
    """No image has this ID, this prefix or this name."""


class RepositoryNotFound(NotFound):
    """No repository has this name."""


class ContentNotFound(NotFound):
    """A repository does not hold what was asked for. ``digest`` is what that was."""

    def __init__(
        self, message: str, *, digest: Digest, hint: str | None = None, remedy: Remedy | None = None
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.digest = digest


class UploadNotFound(NotFound):
    """No such upload is in progress: it was finished, cancelled, or left alone too long."""


class Conflict(StoreError):
    """The request contradicts what is stored."""


class AmbiguousName(Conflict):
    """A short ID with several matches, listed in ``matches`` (a few of them)."""

    def __init__(
        self,
        message: str,
        *,
        matches: Sequence[str] = (),
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.matches = tuple(matches)


class NameTaken(Conflict):
    """Tags that name something else already, listed in ``names``."""

    def __init__(
        self,
        message: str,
        *,
        names: Sequence[str],
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.names = tuple(names)


class IncompleteImage(Conflict):
    """What was to be saved names things that are not here, listed in ``missing``."""

    def __init__(
        self,
        message: str,
        *,
        missing: Sequence[str],
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.missing = tuple(missing)


class DiffMismatch(Conflict):
    """The layers of the pushed image ``image_id`` do not have the diff IDs that its config claims."""

    def __init__(
        self,
        message: str,
        *,
        image_id: ImageID,
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.image_id = image_id


class ImageInUse(Conflict):
    """Other names or images depend on what was to be removed."""


class OutOfOrder(Conflict):
    """A piece of an upload that does not begin at ``offset_bytes``, where the last one ended."""

    def __init__(
        self,
        message: str,
        *,
        offset_bytes: int,
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.offset_bytes = offset_bytes


class UploadInUse(Conflict):
    """Another request is writing to this upload."""


class TooManyUploads(Conflict):
    """No more uploads are begun while so many are in progress."""


class IntegrityError(StoreError):
    """What is stored is not what was stored."""


class DamagedContent(IntegrityError):
    """Stored bytes no longer have their digest."""

    def __init__(
        self, message: str, *, digest: Digest, hint: str | None = None, remedy: Remedy | None = None
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.digest = digest


class ContentMissing(IntegrityError):
    """Content that the catalogue names has no bytes here."""

    def __init__(
        self, message: str, *, digest: Digest, hint: str | None = None, remedy: Remedy | None = None
    ) -> None:
        super().__init__(message, hint=hint, remedy=remedy)
        self.digest = digest


class Unavailable(StoreError):
    """The place for the bytes cannot do it now."""


class StorageFull(Unavailable):
    """The file system (or a quota) is full."""


class ReadOnlyStore(Unavailable):
    """The store lies on read-only media."""


class PermissionDenied(Unavailable):
    """The operating system forbids it."""


class StoreBusy(Unavailable):
    """Another writer holds the store longer than we are willing to wait."""


class StoreNotFound(Unavailable):
    """There is no store at this root."""


class SchemaMismatch(Unavailable):
    """The database is newer than this program, or not one of ours."""
