"""Every error that the store raises, in one tree.

::

    StoreError
    ├── InvalidInput             the input is wrong; the store is unchanged
    │   ├── InvalidDigest
    │   ├── InvalidReference
    │   ├── InvalidArchive       an archive breaks the rules of its format
    │   │   ├── TruncatedInput   the input ends too early
    │   │   ├── UnsafePath       a path leaves the archive, or its links loop
    │   │   ├── MissingMember    a file that the archive names is not in it
    │   │   └── CorruptStream    compressed data fails its own checks
    │   ├── InvalidDocument      JSON that breaks the rules of its document type
    │   ├── DigestMismatch       bytes do not have the digest claimed for them
    │   ├── MissingLayers        layers are neither in the archive nor in the store
    │   ├── MissingBlobs         content of manifests is neither in the archive nor in the store
    │   ├── TooLarge             the input exceeds a ceiling of `store.model.limits.Limits`
    │   └── NothingToExport      an image without layers cannot be a legacy archive
    ├── NotFound                 the store does not know a name or digest
    │   ├── ReferenceNotFound
    │   ├── ImageNotFound
    │   ├── RepositoryNotFound   nothing was ever pushed, tagged or imported under this name
    │   ├── ContentNotFound      a repository does not hold this digest
    │   └── UploadNotFound       the upload does not exist, or has ended
    ├── Conflict                 the request contradicts what is stored
    │   ├── AmbiguousName        a short ID with several matches
    │   ├── NameTaken            a tag already names another image and must not move
    │   ├── IncompleteImage      an image cannot be saved: some of its content is absent
    │   ├── DiffMismatch         the layers of a pushed image do not have its diff IDs
    │   ├── ImageInUse           other names or images depend on the image
    │   ├── OutOfOrder           a chunk does not begin at the end of its upload
    │   ├── UploadInUse          another request is writing to the upload
    │   └── TooManyUploads       too many uploads are in progress
    ├── IntegrityError           stored bytes have changed or are missing
    │   ├── DamagedContent       stored bytes no longer have their digest
    │   │   └── FalseEncoding    stored bytes do not decode to the content recorded for them
    │   └── ContentMissing       stored bytes are gone, or were never complete
    └── Unavailable              the store, or an output, cannot be used now
        ├── StorageFull
        ├── ReadOnlyStore
        ├── PermissionDenied
        ├── StoreBusy            another process keeps the store locked for too long
        ├── StoreNotFound        the root holds no store
        └── SchemaMismatch       a newer version or another program made the database

The class of an error tells the caller how to react. The attributes hold the facts, and the message
puts the facts into words. ``hint`` states the next step if that step needs no flag or command.
Otherwise ``remedy`` names the step, and the user interface puts the step into words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from store.model.base_errors import (
    InvalidDigest,
    InvalidInput,
    InvalidReference,
    StoreError,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.model.base_errors import Advice
    from store.model.digests import DiffID, Digest, ImageID

__all__ = [
    "AmbiguousName",
    "Conflict",
    "ContentMissing",
    "ContentNotFound",
    "CorruptStream",
    "DamagedContent",
    "DiffMismatch",
    "DigestMismatch",
    "FalseEncoding",
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
    """An archive that breaks the rules of its format.

    Attributes:
        member: The name of the tar member concerned, or None.
        offset: The offset in the decompressed archive, in bytes, or None.
    """

    usual_hint = "the archive is damaged or was built wrongly: copy it again, or save it again"

    def __init__(
        self,
        message: str,
        *,
        member: str | None = None,
        offset: int | None = None,
        **advice: Unpack[Advice],
    ) -> None:
        where = "".join(
            (
                f", member {printable(member)!r}" if member is not None else "",
                f", at byte {offset}" if offset is not None else "",
            )
        )
        super().__init__(f"{message}{where}", **advice)
        self.member = member
        self.offset = offset


class TruncatedInput(InvalidArchive):
    """Input that ends inside a header, a member or a compressed stream."""

    usual_hint = "the input was cut short: copy it again, or save it again"


class UnsafePath(InvalidArchive):
    """A path that leads out of the archive, or links that form a loop."""

    usual_hint = "check where the archive comes from: tools that save images write no such paths"


class MissingMember(InvalidArchive):
    """A file that the archive names but does not hold."""

    usual_hint = "the archive is incomplete: copy it again, or save it again"


class CorruptStream(InvalidArchive):
    """Compressed data that fails its own checks."""

    usual_hint = "the data was damaged in transfer: copy it again, or save it again"


class InvalidDocument(InvalidInput):
    """JSON that breaks the rules of its document type.

    Attributes:
        document: The name of the document, with which the message begins; None if it has no name.
    """

    usual_hint = "create the document again: it was edited, or written by a faulty tool"

    def __init__(
        self,
        message: str,
        *,
        document: str | None = None,
        **advice: Unpack[Advice],
    ) -> None:
        super().__init__(f"{document}: {message}" if document else message, **advice)
        self.document = document


class DigestMismatch(InvalidInput):
    """Bytes that do not have the digest claimed for them.

    Attributes:
        want: The digest, or the size in bytes, that a document states.
        got: The digest, or the size, of the bytes.
    """

    usual_hint = (
        "copy the archive again, or save it again: the bytes are damaged, or their digest is wrong"
    )

    def __init__(self, what: str, *, want: object, got: object, **advice: Unpack[Advice]) -> None:
        super().__init__(f'{what}: expected "{want}", got "{got}"', **advice)
        self.want = want
        self.got = got


class MissingLayers(InvalidInput):
    """Layers that are neither in the archive nor in the store.

    Attributes:
        missing: A tuple for each layer: the image, the layer's position, and the diff ID. Position
            0 is the base layer.
    """

    def __init__(self, missing: Sequence[tuple[str, int, DiffID]]) -> None:
        lines = "".join(
            f"\n  layer {position} of {printable(image)}: {diff_id}"
            for image, position, diff_id in missing
        )
        super().__init__(
            f"{len(missing)} layer(s) are neither in the archive nor in the store:{lines}",
            hint=(
                "first import an archive that has these layers, or save the image again with"
                " all of its layers"
            ),
        )
        self.missing = tuple(missing)


class MissingBlobs(InvalidInput):
    """Content of manifests that is neither in the archive nor in the store.

    Attributes:
        missing: A tuple for each blob: the document that names the blob, the blob's role and
            position in the document, and the blob's digest.
    """

    def __init__(self, missing: Sequence[tuple[str, str, Digest]]) -> None:
        lines = "".join(f"\n  {role} of {document}: {digest}" for document, role, digest in missing)
        super().__init__(
            f"{len(missing)} blob(s) are neither in the archive nor in the store:{lines}",
            hint=(
                "first import an archive that has these blobs, or save this archive again with"
                " all of its content"
            ),
        )
        self.missing = tuple(missing)


class TooLarge(InvalidInput):
    """Input that exceeds a ceiling.

    Attributes:
        limit: The ceiling, in the unit that the message names.
    """

    usual_hint = "check where the archive comes from: real images stay far below this limit"

    def __init__(self, message: str, *, limit: int, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.limit = limit


class NothingToExport(InvalidInput):
    """An image without layers, which a legacy archive cannot hold."""


class NotFound(StoreError):
    """A name or digest that the store does not know."""


class ReferenceNotFound(NotFound):
    """A tag or digest reference that does not exist."""


class ImageNotFound(NotFound):
    """An image ID, a prefix of an ID, or a name that no image has."""


class RepositoryNotFound(NotFound):
    """A name that no repository has."""


class ContentNotFound(NotFound):
    """A digest that a repository does not hold.

    Attributes:
        digest: The digest that was requested.
    """

    def __init__(self, message: str, *, digest: Digest, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.digest = digest


class UploadNotFound(NotFound):
    """An upload that never began, was finished or cancelled, or was idle for too long."""


class Conflict(StoreError):
    """A request that contradicts what is stored."""


class AmbiguousName(Conflict):
    """A short ID with several matches.

    Attributes:
        matches: Some of the IDs that begin with the short ID.
    """

    def __init__(
        self,
        message: str,
        *,
        matches: Sequence[str] = (),
        **advice: Unpack[Advice],
    ) -> None:
        super().__init__(message, **advice)
        self.matches = tuple(matches)


class NameTaken(Conflict):
    """Tags that already name a different image.

    Attributes:
        names: The tags that would move.
    """

    def __init__(self, message: str, *, names: Sequence[str], **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.names = tuple(names)


class IncompleteImage(Conflict):
    """An image that cannot be saved, because some of its content is absent.

    Attributes:
        missing: A description of each absent blob.
    """

    def __init__(self, message: str, *, missing: Sequence[str], **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.missing = tuple(missing)


class DiffMismatch(Conflict):
    """A pushed image whose layers do not have the diff IDs in its config.

    Attributes:
        image_id: The ID of the pushed image.
    """

    def __init__(self, message: str, *, image_id: ImageID, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.image_id = image_id


class ImageInUse(Conflict):
    """An image that cannot be removed, because other names or images depend on it."""


class OutOfOrder(Conflict):
    """A chunk that does not begin at the end of its upload.

    Attributes:
        offset_bytes: The length of the upload so far, in bytes.
    """

    def __init__(self, message: str, *, offset_bytes: int, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.offset_bytes = offset_bytes


class UploadInUse(Conflict):
    """An upload to which another request is writing."""


class TooManyUploads(Conflict):
    """A new upload that is refused because too many uploads are in progress."""


class IntegrityError(StoreError):
    """Stored bytes that have changed or are missing."""


class DamagedContent(IntegrityError):
    """Stored bytes that no longer have their digest.

    Attributes:
        digest: The digest that the stored bytes should have.
    """

    def __init__(self, message: str, *, digest: Digest, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.digest = digest


class FalseEncoding(DamagedContent):
    """A stored blob that does not decode to the content that the catalogue records for it.

    Attributes:
        digest: The digest of the blob. The bytes of the blob may well have this digest.
        content: The digest that the decoded bytes should have.
    """

    def __init__(
        self, message: str, *, digest: Digest, content: Digest, **advice: Unpack[Advice]
    ) -> None:
        super().__init__(message, digest=digest, **advice)
        self.content = content


class ContentMissing(IntegrityError):
    """Content that the catalogue lists, but whose bytes are not stored.

    Attributes:
        digest: The digest of the missing bytes.
    """

    def __init__(self, message: str, *, digest: Digest, **advice: Unpack[Advice]) -> None:
        super().__init__(message, **advice)
        self.digest = digest


class Unavailable(StoreError):
    """A store or an output that cannot be used now."""


class StorageFull(Unavailable):
    """A file system or a quota that is full."""


class ReadOnlyStore(Unavailable):
    """A file system that is mounted read-only, under the store or under an output."""


class PermissionDenied(Unavailable):
    """An access that the operating system forbids, or a store that another user could change."""


class StoreBusy(Unavailable):
    """A store that another process keeps locked for longer than the caller may wait."""


class StoreNotFound(Unavailable):
    """A root that holds no store."""


class SchemaMismatch(Unavailable):
    """A database that a newer version of this program, or another program, created."""
