"""The documents of a backup: what a generation consists of, and the list of its blobs.

``docs/formats/backup.md`` describes both to the byte. A backup is an input like any other: every
number and every name in it is checked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self, final

from store.errors import InvalidDigest, InvalidDocument, printable
from store.model.digests import Digest
from store.model.limits import GIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT: Final = "storectl-backup"
VERSION: Final = 1

MARKER: Final = "storectl-backup.json"
"""The first member of an archive, and the file that makes a folder a folder of backups."""

DOCUMENT: Final = "generation.json"
CATALOGUE: Final = "store.db"
LIST: Final = "blobs.txt"

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_LIST_BYTES: Final = 4 * GIB
MAX_CATALOGUE_BYTES: Final = 1024 * GIB
MAX_BLOB_BYTES: Final = 2**62
MAX_LINE_BYTES: Final = 256

IDENTIFIER: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z(?:-[0-9]{1,4})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SCHEMA: Final = re.compile(r"[0-9a-z_]{1,32}")
_LINE: Final = re.compile(r"(sha[0-9]{3}:[0-9a-f]{64,128}) ([0-9]{1,19})( missing)?\n?")
_TIME: Final = "%Y%m%dT%H%M%SZ"


@final
@dataclass(frozen=True, slots=True)
class Part:
    """A file of a generation.

    Attributes:
        size_bytes: Its size in bytes.
        sha256: Its SHA-256, in hex.
    """

    size_bytes: int
    sha256: str


@final
@dataclass(frozen=True, slots=True)
class ListedBlob:
    """A line of the list of blobs.

    Attributes:
        digest: The digest of the blob.
        size_bytes: Its size in bytes.
        is_missing: Whether the store no longer had its bytes when the backup was made.
    """

    digest: Digest
    size_bytes: int
    is_missing: bool = False


@final
@dataclass(frozen=True, slots=True)
class Generation:
    """One state of a store: a copy of the catalogue, and the blobs that it names.

    Attributes:
        id: The name of the generation, which begins with its time.
        created: When the catalogue was copied, in UTC, to the second.
        schema: The revision of the catalogue's schema.
        images: The number of images.
        blobs: The number of blobs in the list, without the missing ones.
        blob_bytes: The size of these blobs.
        missing: The number of blobs that the store no longer had.
        catalogue: The copy of the catalogue.
        list: The list of blobs.
    """

    id: str
    created: datetime
    schema: str
    images: int
    blobs: int
    blob_bytes: int
    missing: int
    catalogue: Part
    list: Part

    def to_bytes(self) -> bytes:
        """Return the document as JSON."""
        value = {
            "format": FORMAT,
            "version": VERSION,
            "id": self.id,
            "created": self.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "schema": self.schema,
            "images": self.images,
            "blobs": self.blobs,
            "blobBytes": self.blob_bytes,
            "missing": self.missing,
            "files": {
                name: {"size": part.size_bytes, "sha256": part.sha256}
                for name, part in ((CATALOGUE, self.catalogue), (LIST, self.list))
            },
        }
        return (json.dumps(value, indent=2) + "\n").encode()

    @classmethod
    def parse(cls, data: bytes, name: str = DOCUMENT) -> Self:
        """Parse a document.

        Args:
            data: The bytes of the document.
            name: The name of the document, for errors.

        Raises:
            InvalidDocument: The document is damaged, or of a newer program.
        """
        value = parse_object(data, name)
        try:
            identifier = value["id"]
            created = datetime.strptime(value["created"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            files = value["files"]
            found = cls(
                identifier,
                created,
                value["schema"],
                _count(value["images"]),
                _count(value["blobs"]),
                _count(value["blobBytes"]),
                _count(value["missing"]),
                _part(files[CATALOGUE], MAX_CATALOGUE_BYTES),
                _part(files[LIST], MAX_LIST_BYTES),
            )
            sound = IDENTIFIER.fullmatch(identifier) and _SCHEMA.fullmatch(found.schema)
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidDocument(
                f"invalid description of a backup: {printable(str(exc))}", document=name
            ) from None
        if not sound:
            raise InvalidDocument("invalid description of a backup: id or schema", document=name)
        return found


def marker() -> bytes:
    """Return the bytes of the file `MARKER`."""
    return (json.dumps({"format": FORMAT, "version": VERSION}) + "\n").encode()


def require_marker(data: bytes, name: str) -> None:
    """Check the bytes of a file `MARKER`.

    Args:
        data: The bytes.
        name: The path of the file, for errors.

    Raises:
        InvalidDocument: This is not the marker of a backup, or a newer program made the backup.
    """
    parse_object(data, name)


def is_of_newer_program(data: bytes) -> bool:
    """Return whether a document describes a backup in another version of the format."""
    try:
        value = json.loads(data) if len(data) <= MAX_DOCUMENT_BYTES else None
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(value, dict)
        and value.get("format") == FORMAT
        and value.get("version") != VERSION
    )


def parse_object(data: bytes, name: str) -> dict[str, Any]:
    """Parse a JSON object of a backup, and check its format and version.

    Args:
        data: The bytes, at most `MAX_DOCUMENT_BYTES`.
        name: The name of the document, for errors.

    Raises:
        InvalidDocument: This is not a document of a backup, or a newer program made it.
    """
    try:
        value = json.loads(data) if len(data) <= MAX_DOCUMENT_BYTES else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InvalidDocument(
            "the document does not describe a backup of this program", document=name
        )
    if value.get("version") != VERSION:
        raise InvalidDocument(
            f"the backup has version {printable(str(value.get('version')))[:40]} of the format, and"
            f" this program knows version {VERSION}",
            document=name,
            hint="restore the backup with the program that made it, or with a newer one",
        )
    return value


def identifier(created: datetime, taken: set[str]) -> str:
    """Return the name of a new generation.

    Args:
        created: When the catalogue was copied.
        taken: The names that other generations have.
    """
    name = created.astimezone(UTC).strftime(_TIME)
    others = (f"{name}-{number}" for number in range(2, 10_000))
    return name if name not in taken else next(one for one in others if one not in taken)


def order(name: str) -> tuple[str, int]:
    """Return a key that sorts the names of generations by time."""
    time, _, number = name.partition("-")
    return time, int(number or 1)


def line(blob: ListedBlob) -> bytes:
    """Return the line of a blob in the list, with its end."""
    return f"{blob.digest} {blob.size_bytes}{' missing' if blob.is_missing else ''}\n".encode()


def parse_list(lines: Iterable[bytes], name: str = LIST) -> Iterator[ListedBlob]:
    """Yield the blobs of a list.

    Args:
        lines: The lines, each at most `MAX_LINE_BYTES` long.
        name: The name of the list, for errors.

    Raises:
        InvalidDocument: A line is invalid, or the lines are not sorted.
    """
    before = ""
    for number, text in enumerate(lines, 1):
        match = _LINE.fullmatch(text.decode("ascii", "replace"))
        if match is None or match[1] <= before or int(match[2]) > MAX_BLOB_BYTES:
            raise _invalid_line(number, name)
        before = match[1]
        try:
            yield ListedBlob(Digest.parse(before), int(match[2]), match[3] is not None)
        except InvalidDigest:
            raise _invalid_line(number, name) from None


def _invalid_line(number: int, name: str) -> InvalidDocument:
    return InvalidDocument(f"invalid line {number}", document=name)


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"expected a number, got {value!r:.40}")
    return value


def _part(value: dict[str, Any], limit: int) -> Part:
    size, sha256 = _count(value["size"]), value["sha256"]
    if size > limit or not _SHA256.fullmatch(sha256):
        raise ValueError("the size or the SHA-256 of a file")
    return Part(size, sha256)
