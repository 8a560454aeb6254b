"""Encodings: records that a stored blob decodes to the bytes of a digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from sqlalchemy import and_, delete, exists, select, update

from store.catalog.batches import batches, insert_rows
from store.db.schema import blob, content, encoding, manifest, manifest_edge, repository_content
from store.db.types import ContentKey
from store.model.contents import ContentState, DiffState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, ScalarSelect

    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class NewEncoding:
    """An encoding to record.

    Attributes:
        decoded: Row number of the digest of the decoded bytes.
        stored: Row number of the stored blob.
        codec: The name of the codec.
        seekable: Whether any part can be decoded alone.
        ours: Whether this store has made the encoding, from verified bytes.
        checked: Whether the whole encoding was decoded and the result compared with the digest.
    """

    decoded: ContentKey
    stored: ContentKey
    codec: str
    seekable: bool
    ours: bool
    checked: bool


def encoded(connection: Connection, stored_digests: Iterable[Digest]) -> set[tuple[Digest, Digest]]:
    """Return the known encodings as (stored, decoded), if the stored blob is in state present.

    Args:
        connection: An open transaction.
        stored_digests: The digests of stored blobs.
    """
    stored, decoded = content.alias("stored"), content.alias("decoded")
    found: set[tuple[Digest, Digest]] = set()
    for some in batches(list(dict.fromkeys(stored_digests))):
        rows = connection.execute(
            select(stored.c.digest, decoded.c.digest)
            .join_from(encoding, stored, encoding.c.stored_id == stored.c.id)
            .join(decoded, encoding.c.content_id == decoded.c.id)
            .where(stored.c.digest.in_(some), stored.c.state == ContentState.PRESENT.value)
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def put_encodings(connection: Connection, new: Sequence[NewEncoding]) -> None:
    """Record encodings; known encodings are left as they are."""
    there: set[tuple[int, int]] = set()
    for some in batches([one.stored for one in new]):
        rows = connection.execute(
            select(encoding.c.content_id, encoding.c.stored_id).where(
                encoding.c.stored_id.in_(some)
            )
        )
        there.update((row.content_id, row.stored_id) for row in rows)
    fresh = {
        (one.decoded, one.stored): one for one in new if (one.decoded, one.stored) not in there
    }
    insert_rows(
        connection,
        encoding,
        (
            {
                "content_id": one.decoded,
                "stored_id": one.stored,
                "codec": one.codec,
                "seekable": one.seekable,
                "ours": one.ours,
                "checked": one.checked,
            }
            for one in fresh.values()
        ),
    )


def note_check(connection: Connection, decoded: Digest, stored: Digest, *, seekable: bool) -> None:
    """Record that a whole encoding decodes to its digest; do nothing if the encoding has no row.

    Args:
        connection: A write transaction.
        decoded: Digest of the decoded bytes.
        stored: Digest of the blob that decodes to these bytes.
        seekable: Whether the seek table of the blob matches its frames.
    """
    connection.execute(
        update(encoding).where(_is(decoded, stored)).values(checked=True, seekable=seekable)
    )


def forget(connection: Connection, decoded: Digest, stored: Digest) -> None:
    """Delete an encoding that was found false. The blob itself stays.

    The manifests that list the blob are no longer verified.

    Args:
        connection: A write transaction.
        decoded: Digest that the encoding was recorded for.
        stored: Digest of the blob that does not decode to ``decoded``.
    """
    connection.execute(delete(encoding).where(_is(decoded, stored)))
    listing = select(manifest_edge.c.manifest_id).where(
        manifest_edge.c.content_id == _key(stored), manifest_edge.c.role == "layer"
    )
    connection.execute(
        update(manifest)
        .where(
            manifest.c.content_id.in_(listing), manifest.c.diff_state == DiffState.VERIFIED.value
        )
        .values(diff_state=DiffState.UNVERIFIED.value)
    )


def drop_damaged(connection: Connection, decoded: Sequence[ContentKey]) -> list[Digest]:
    """Delete the damaged encodings of content that has a sound encoding, with their blob rows.

    A blob that a manifest lists, or that a repository holds, keeps its rows: a client may push its
    bytes again.

    Args:
        connection: A write transaction.
        decoded: Row numbers of content that was just stored in another encoding.

    Returns:
        The digests of the files without a row. The caller condemns them.
    """
    dropped: dict[ContentKey, Digest] = {}
    for some in batches(decoded):
        rows = connection.execute(
            select(content.c.id, content.c.digest)
            .join(encoding, encoding.c.stored_id == content.c.id)
            .where(
                encoding.c.content_id.in_(some),
                content.c.state == ContentState.DAMAGED.value,
                ~exists(
                    select(manifest_edge.c.content_id).where(
                        manifest_edge.c.content_id == content.c.id
                    )
                ),
                ~exists(
                    select(repository_content.c.content_id).where(
                        repository_content.c.content_id == content.c.id
                    )
                ),
            )
        )
        dropped.update((ContentKey(row.id), row.digest) for row in rows)
    for keys in batches(list(dropped)):
        connection.execute(delete(encoding).where(encoding.c.stored_id.in_(keys)))
        connection.execute(delete(blob).where(blob.c.content_id.in_(keys)))
        connection.execute(
            update(content).where(content.c.id.in_(keys)).values(state=ContentState.ABSENT.value)
        )
    return list(dropped.values())


def _is(decoded: Digest, stored: Digest) -> ColumnElement[bool]:
    """Return the SQL condition that selects the row of one encoding."""
    return and_(
        encoding.c.content_id == _key(decoded),
        encoding.c.stored_id == _key(stored),
    )


def _key(digest: Digest) -> ScalarSelect[ContentKey]:
    return select(content.c.id).where(content.c.digest == digest).scalar_subquery()
