"""Content: each digest, where its bytes are stored, and whether they can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import bindparam, delete, exists, select, update

from store.catalog.batches import add_rows, batches, insert_rows
from store.db.schema import blob, content, document, encoding
from store.db.types import ContentKey
from store.model.contents import Codec, ContentState, Sources, StoredEncoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class ContentRow:
    """The row of one digest in the table of content.

    Attributes:
        key: The row number.
        digest: The digest that names the bytes.
        size_bytes: Size in bytes; None if it is not known.
        state: Whether the bytes can be read.
    """

    key: ContentKey
    digest: Digest
    size_bytes: int | None
    state: ContentState


def find(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, ContentRow]:
    """Return the rows of ``digests``; digests without a row are left out."""
    found: dict[Digest, ContentRow] = {}
    for some in batches(list(dict.fromkeys(digests))):
        rows = connection.execute(
            select(content.c.id, content.c.digest, content.c.size_bytes, content.c.state).where(
                content.c.digest.in_(some)
            )
        )
        found.update(
            (
                row.digest,
                ContentRow(ContentKey(row.id), row.digest, row.size_bytes, ContentState(row.state)),
            )
            for row in rows
        )
    return found


def digests_of(connection: Connection, keys: Iterable[ContentKey]) -> dict[ContentKey, Digest]:
    """Return the digest of each of these rows, by row number."""
    found: dict[ContentKey, Digest] = {}
    for some in batches(list(keys)):
        query = select(content.c.id, content.c.digest).where(content.c.id.in_(some))
        found.update((ContentKey(row.id), row.digest) for row in connection.execute(query))
    return found


def present(connection: Connection, digests: Iterable[Digest]) -> set[Digest]:
    """Return the digests among ``digests`` that are in state present."""
    return {
        digest
        for digest, known in find(connection, digests).items()
        if known.state is ContentState.PRESENT
    }


def ensure(
    connection: Connection, digest: Digest, size_bytes: int | None, state: ContentState
) -> ContentKey:
    """Return the row number of a digest; insert a row if the digest has none.

    A row in state absent or damaged becomes present if ``state`` is present. No other state
    changes.

    Args:
        connection: An open write transaction.
        digest: The digest to record.
        size_bytes: Size in bytes; None if it is not known.
        state: The state of a new row.
    """
    return ensure_all(connection, {digest: size_bytes}, state)[digest]


def ensure_all(
    connection: Connection, sizes: Mapping[Digest, int | None], state: ContentState
) -> dict[Digest, ContentKey]:
    """Return the row numbers of many digests; insert missing rows (see `ensure`).

    Args:
        connection: An open write transaction.
        sizes: Size in bytes by digest; None if it is not known.
        state: The state of a new row.
    """
    return _ensured(connection, sizes, state)[0]


def _ensured(
    connection: Connection, sizes: Mapping[Digest, int | None], state: ContentState
) -> tuple[dict[Digest, ContentKey], set[Digest]]:
    """Return the row numbers, and the known digests whose state became present."""
    known = find(connection, sizes)
    fresh = add_rows(
        connection,
        content,
        (
            {"digest": digest, "size_bytes": size, "state": state.value}
            for digest, size in sizes.items()
            if digest not in known
        ),
        content.c.id,
        content.c.digest,
    )
    keys = {row.digest: ContentKey(row.id) for row in fresh}
    again = {
        one.digest: one.key
        for one in known.values()
        if state is ContentState.PRESENT is not one.state
    }
    if again:
        connection.execute(
            MAKE_PRESENT, [{"key": key, "size": sizes[digest]} for digest, key in again.items()]
        )
    keys |= {digest: one.key for digest, one in known.items()}
    return {digest: keys[digest] for digest in sizes}, set(again)


MAKE_PRESENT: Final = (
    update(content)
    .where(content.c.id == bindparam("key"))
    .values(state=ContentState.PRESENT.value, size_bytes=bindparam("size"))
)


def ensure_decoded(
    connection: Connection, sizes: Mapping[Digest, int]
) -> tuple[dict[Digest, ContentKey], list[Digest]]:
    """Record digests whose bytes are decoded from other blobs.

    A damaged file loses its blob row: its bytes are decoded from now on.

    Args:
        connection: An open write transaction.
        sizes: Size of the decoded bytes, by digest.

    Returns:
        The row number of each digest, and the digests of damaged files. The caller condemns these
        files.
    """
    keys, again = _ensured(connection, sizes, ContentState.PRESENT)
    damaged: list[Digest] = []
    for some in batches(sorted(again)):
        damaged.extend(with_blob_rows(connection, some))
    for files in batches([keys[digest] for digest in damaged]):
        connection.execute(delete(blob).where(blob.c.content_id.in_(files)))
    return keys, damaged


def put_blob(connection: Connection, digest: Digest, size_bytes: int, now: datetime) -> ContentKey:
    """Record that the file of a digest is in place; return the digest's row number.

    Args:
        connection: An open write transaction.
        digest: The digest of the file.
        size_bytes: Size of the file in bytes.
        now: The current time.
    """
    return put_blobs(connection, {digest: size_bytes}, now)[digest]


def put_blobs(
    connection: Connection, sizes: Mapping[Digest, int], now: datetime
) -> dict[Digest, ContentKey]:
    """Record that the files of many digests are in place; return their row numbers.

    Args:
        connection: An open write transaction.
        sizes: The size of each file in bytes, by digest.
        now: The current time.
    """
    keys, again = _ensured(connection, sizes, ContentState.PRESENT)
    for some in batches([keys[digest] for digest in again]):
        # The inline bytes are damaged, and readers would prefer them to the file.
        connection.execute(delete(document).where(document.c.content_id.in_(some)))
    there: set[int] = set()
    for some in batches(list(keys.values())):
        there.update(
            connection.execute(
                select(blob.c.content_id).where(blob.c.content_id.in_(some))
            ).scalars()
        )
    insert_rows(
        connection,
        blob,
        ({"content_id": key, "created_at": now} for key in keys.values() if key not in there),
    )
    for files in batches(sorted(there)):
        # The file has been replaced.
        connection.execute(update(blob).where(blob.c.content_id.in_(files)).values(created_at=now))
    return keys


def published_at(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, datetime]:
    """Return when the file of each digest was published; digests without a file are left out."""
    found: dict[Digest, datetime] = {}
    for some in batches(list(dict.fromkeys(digests))):
        rows = connection.execute(
            select(content.c.digest, blob.c.created_at)
            .join(blob, blob.c.content_id == content.c.id)
            .where(content.c.digest.in_(some))
        )
        found.update((row.digest, row.created_at) for row in rows)
    return found


def note_published(connection: Connection, digests: Sequence[Digest], now: datetime) -> None:
    """Record that the files of digests are as they were published.

    Args:
        connection: An open write transaction.
        digests: The digests of files that were just hashed.
        now: The current time.
    """
    for some in batches(digests):
        keys = select(content.c.id).where(content.c.digest.in_(some))
        connection.execute(update(blob).where(blob.c.content_id.in_(keys)).values(created_at=now))


def has_blob_row(connection: Connection, digest: Digest) -> bool:
    """Return whether the store has a file of this digest, sound or damaged."""
    return bool(
        connection.execute(
            select(exists().where(content.c.digest == digest, blob.c.content_id == content.c.id))
        ).scalar()
    )


def has_sound_file(connection: Connection, digest: Digest) -> bool:
    """Return whether the store has a file of this digest that was not found damaged."""
    sound = (
        content.c.digest == digest,
        content.c.state == ContentState.PRESENT.value,
        blob.c.content_id == content.c.id,
    )
    return bool(connection.execute(select(exists().where(*sound))).scalar())


def with_blob_rows(connection: Connection, digests: Sequence[Digest]) -> set[Digest]:
    """Return the digests among ``digests`` that have a blob row.

    Args:
        connection: An open transaction.
        digests: At most `BATCH` digests.
    """
    query = (
        select(content.c.digest)
        .join(blob, blob.c.content_id == content.c.id)
        .where(content.c.digest.in_(digests))
    )
    return set(connection.execute(query).scalars())


_STORED: Final = content.alias("stored")

# Statements that every save and every layer need are built once: building them takes longer than
# running them.
_ENCODINGS: Final = (
    select(
        encoding.c.content_id,
        _STORED.c.digest,
        encoding.c.codec,
        _STORED.c.size_bytes,
        encoding.c.seekable,
        encoding.c.ours,
        encoding.c.checked,
    )
    .join_from(encoding, content, encoding.c.content_id == content.c.id)
    .join(_STORED, encoding.c.stored_id == _STORED.c.id)
    .where(
        content.c.digest.in_(bindparam("digests", expanding=True)),
        _STORED.c.state == ContentState.PRESENT.value,
    )
)
_FORMS: Final = (
    select(
        content.c.id,
        content.c.digest,
        content.c.size_bytes,
        content.c.state,
        document.c.bytes,
        blob.c.content_id.label("file"),
    )
    .outerjoin_from(content, document, document.c.content_id == content.c.id)
    .outerjoin(blob, blob.c.content_id == content.c.id)
    .where(content.c.digest.in_(bindparam("digests", expanding=True)))
)


def sources(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, Sources]:
    """Return where the bytes of each digest are: in the database, in a file, or encoded.

    Damaged encodings and digests without a row are left out.
    """
    wanted = list(dict.fromkeys(digests))
    encodings: dict[int, list[StoredEncoding]] = {}
    answer: dict[Digest, Sources] = {}
    for some in batches(wanted):
        for row in connection.execute(_ENCODINGS, {"digests": some}):
            encodings.setdefault(row.content_id, []).append(
                StoredEncoding(
                    row.digest,
                    Codec(row.codec),
                    row.size_bytes,
                    row.seekable,
                    is_ours=row.ours,
                    is_checked=row.checked,
                )
            )
        for found in connection.execute(_FORMS, {"digests": some}):
            answer[found.digest] = Sources(
                found.digest,
                found.size_bytes or 0,
                ContentState(found.state),
                found.bytes,
                found.file is not None,
                tuple(sorted(encodings.get(found.id, ()), key=_preference)),
            )
    return answer


_FASTEST_FIRST: Final = (Codec.ZSTD, Codec.GZIP, Codec.XZ, Codec.BZIP2, Codec.IDENTITY)


def _preference(one: StoredEncoding) -> tuple[bool, bool, bool, int, int, str]:
    """Return the sort key of an encoding: first proven encodings, then fast encodings.

    Otherwise a client could push a smaller blob, and the layers of other repositories would be
    decoded from that blob.
    """
    return (
        not one.is_ours,
        not one.is_checked,
        not one.seekable,
        _FASTEST_FIRST.index(one.codec),
        one.size_bytes,
        str(one.digest),
    )


def forget_file(connection: Connection, digest: Digest) -> None:
    """Delete the blob row of a digest whose bytes are decoded from another blob from now on."""
    connection.execute(
        delete(blob).where(
            blob.c.content_id.in_(select(content.c.id).where(content.c.digest == digest))
        )
    )
