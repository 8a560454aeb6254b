"""The records of a document log: lines of JSON, and documents as they are.

Each record is a JSON array on one line. The first value is the kind. The bytes of a document follow
its line, and a line feed follows the bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.db.changes import Value

DOCUMENT: Final = "document"
"""Digest, size in bytes; the bytes follow."""

MANIFEST: Final = "manifest"
"""Digest, media type."""

TAG: Final = "tag"
"""Repository, tag, digest of the manifest (null if the tag was removed), time (null as well)."""

HELD: Final = "held"
"""Repository, digest that it may serve, media type (null for the common one)."""

RELEASED: Final = "released"
"""Repository, digest that it no longer serves."""

KEPT: Final = "kept"
"""Digest of a manifest that is kept without a name, time."""

DROPPED: Final = "dropped"
"""Digest of a manifest that is no longer kept without a name."""

PARENT: Final = "parent"
"""Image ID, image ID of the parent (null if it has none)."""

SOURCE: Final = "source"
"""Image ID, digest of a layer, descriptor with the addresses of the layer (JSON as text)."""

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode

FACTS: Final = frozenset({DOCUMENT, MANIFEST, PARENT, SOURCE})
"""The kinds that say nothing about names: they stay true if the unit is rolled back."""

_VALUES: Final = {
    DOCUMENT: 2,
    MANIFEST: 2,
    TAG: 4,
    HELD: 3,
    RELEASED: 2,
    KEPT: 2,
    DROPPED: 1,
    PARENT: 2,
    SOURCE: 3,
}


def encode(kind: str, values: tuple[Value, ...]) -> bytes:
    """Return the bytes of a record.

    Args:
        kind: The kind of the record.
        values: Its values; of a document, the digest and the bytes.
    """
    if kind == DOCUMENT:
        digest, data = values
        assert isinstance(data, bytes)  # noqa: S101 - a column of bytes
        return b'["document","%s",%d]\n%s\n' % (str(digest).encode(), len(data), data)
    texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in values]
    return _ENCODE([kind, *texts]).encode() + b"\n"


def decode(data: bytes) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """Yield the records of a block, as `encode` takes them. A record of another form is skipped.

    Args:
        data: The decoded block, whose checksum is right. Its values are not checked.
    """
    place = 0
    while place < len(data):
        end = data.find(b"\n", place)
        if end < 0:
            return
        found = _line(data[place:end])
        place = end + 1
        if found is None:
            continue
        kind, rest = found
        if kind == DOCUMENT:
            digest, size = rest
            if not isinstance(digest, str) or not isinstance(size, int) or size < 0:
                return
            yield kind, (digest, data[place : place + size])
            place += size + 1
        else:
            texts = [one for one in rest if one is None or isinstance(one, str)]
            if len(texts) == len(rest):
                yield kind, tuple(texts)


def _line(line: bytes) -> tuple[str, list[object]] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or not values or not isinstance(values[0], str):
        return None
    kind, *rest = values
    return (kind, rest) if len(rest) == _VALUES.get(kind) else None
