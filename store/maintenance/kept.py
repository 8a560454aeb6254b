"""What a collection keeps although no image with a name needs it: why, and until when.

The answer is found by trying: on a copy of the catalogue, one reason after the other is taken away,
and the files that are free without it are measured.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from store.catalog.collection import garbage, grace, reachability
from store.maintenance.collection import FileCollection, RowCollection, Tally, Units
from store.maintenance.reports import Kept, KeptReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.catalog.collection.grace import Grace, Protection
    from store.db.types import ContentKey
    from store.model.digests import Digest


class Retained(Protocol):
    """What changes of tags can be rolled back to."""

    def keys(self, connection: Connection) -> AbstractSet[ContentKey]:
        """Return the row numbers of the manifests and content to keep."""

    def until(self, connection: Connection) -> datetime | None:
        """Return when the last of the content is free; None if nothing is kept."""


def keeps_anything(connection: Connection, rule: Grace, retained: Retained) -> bool:
    """Return whether `kept_files` may find anything; this costs less than a copy.

    Args:
        connection: A read unit.
        rule: The rule of the collection for pushed blobs.
        retained: What the collection keeps for rollbacks.
    """
    return (
        retained.until(connection) is not None
        or grace.has_fresh(connection, rule)
        or grace.has_operations(connection)
        or bool(reachability.dangling_manifests(connection))
        or bool(reachability.unreached_in_repositories(connection))
    )


def kept_files(copy: Connection, blobs: BlobStore, rule: Grace, retained: Retained) -> list[Kept]:
    """Return what a collection has kept, one group for each reason.

    Args:
        copy: A transaction on a copy of the catalogue after the collection. It is changed.
        blobs: The blob store.
        rule: The rule of the collection for pushed blobs.
        retained: What the collection keeps for rollbacks.
    """
    # Each group is what its reason alone keeps, except for operations: what they use counts last.
    with copy.begin_nested() as attempt:
        untagged = _tried(copy, blobs, rule, retained.keys, dangling=True)
        for_undo = _tried(copy, blobs, rule, dangling=True)
        attempt.rollback()
    found = [
        Kept(KeptReason.UNTAGGED, untagged.files, untagged.freed_bytes, len(untagged.images)),
        Kept(
            KeptReason.UNDO,
            for_undo.files,
            for_undo.freed_bytes,
            len(for_undo.images),
            until=retained.until(copy),
        ),
    ]
    _tried(copy, blobs, rule, dangling=False)
    found += _pushed(copy, blobs, rule)
    grace.forget_operations(copy)
    used = _tried(copy, blobs, grace.Grace.none(rule.now), dangling=False)
    found.append(Kept(KeptReason.OPERATION, used.files, used.freed_bytes, len(used.images)))
    return [one for one in found if one.files or one.images]


def upload_kept(uploads: Iterable[tuple[str, int, datetime]]) -> list[Kept]:
    """Return the uploads in progress, one group for each repository.

    Args:
        uploads: The repository, the size in bytes and the end of each upload.
    """
    groups: dict[str, list[tuple[int, datetime]]] = {}
    for repository, size, end in uploads:
        groups.setdefault(repository, []).append((size, end))
    return [
        Kept(
            KeptReason.UPLOAD,
            len(files),
            sum(size for size, _ in files),
            until=max(end for _, end in files),
            repository=repository,
        )
        for repository, files in sorted(groups.items())
    ]


def _tried(
    copy: Connection,
    blobs: BlobStore,
    rule: Grace,
    retained: Callable[[Connection], AbstractSet[ContentKey]] = lambda _: frozenset(),
    *,
    dangling: bool,
) -> Tally:
    """Delete the rows that nothing refers to; return the tally with the sizes of their files."""
    tally = Tally()
    units = _units(copy)
    RowCollection(units, lambda: rule, lambda: rule.now, tally, retained).run(dangling=dangling)
    _measure(units, blobs, tally)
    return tally


def _pushed(copy: Connection, blobs: BlobStore, rule: Grace) -> list[Kept]:
    """Return the blobs that only the grace of their repositories keeps, by repository."""
    none = grace.Grace.none(rule.now)
    protections: dict[Digest, list[Protection]] = {}
    while keys := garbage.dead_contents(copy, none):
        for digest, some in grace.protections(copy, keys).items():
            protections.setdefault(digest, []).extend(some)
        garbage.delete_contents(copy, keys, none, now=rule.now)
    tally = Tally()
    sizes: dict[Digest, int] = {}

    def measure(digest: Digest) -> int | None:
        size = blobs.size(blobs.location(digest))
        if size is not None:
            sizes[digest] = size
        return size

    _measure(_units(copy), blobs, tally, measure)
    groups: dict[str | None, list[tuple[int, datetime]]] = {}
    for digest, size in sizes.items():
        # Several repositories may hold a blob. The one that keeps it longest counts.
        end, name = max(
            (
                (rule.end(one.fresh_at, one.active_at), one.repository)
                for one in protections.get(digest, ())
            ),
            default=(rule.end(rule.now, None), None),
        )
        groups.setdefault(name, []).append((size, end))
    return [
        Kept(
            KeptReason.PUSHING if rule.is_ended else KeptReason.PUSHED,
            len(files),
            sum(size for size, _ in files),
            until=max(end for _, end in files),
            repository=name,
        )
        for name, files in sorted(groups.items(), key=lambda item: item[0] or "")
    ]


def _units(copy: Connection) -> Units:
    return Units(lambda: nullcontext(copy), lambda: nullcontext(copy), time.monotonic)


def _measure(
    units: Units,
    blobs: BlobStore,
    tally: Tally,
    measure: Callable[[Digest], int | None] | None = None,
) -> None:
    """Add the sizes of the condemned files to the tally."""
    size = measure or (lambda digest: blobs.size(blobs.location(digest)))
    FileCollection(units, blobs, size, lambda _connection, _digest: True, tally).remove_condemned()
