"""Documents: the bytes of manifests and configs, and what they say for searches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from store.catalog.batches import BATCH, add_rows, batches, insert_rows
from store.catalog.content import MAKE_PRESENT
from store.db.schema import content, document, label
from store.db.types import ContentKey
from store.model.contents import ContentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class DocumentRow:
    """What the catalogue has of a document.

    Attributes:
        key: The row number of its digest.
        state: Whether its bytes can be read.
        data: The bytes in the database; None if it has none.
    """

    key: ContentKey
    state: ContentState
    data: bytes | None


def put_documents(
    connection: Connection, documents: Mapping[Digest, bytes]
) -> dict[Digest, ContentKey]:
    """Store documents in the database, and replace documents whose bytes are wrong.

    Args:
        connection: An open write transaction.
        documents: The bytes of each document, by digest.

    Returns:
        The row number of each document.
    """
    known: dict[Digest, DocumentRow] = {}
    for some in batches(list(documents)):
        for row in connection.execute(_DOCUMENTS, {"digests": some}):
            known[row.digest] = DocumentRow(ContentKey(row.id), ContentState(row.state), row.bytes)
    return write_documents(connection, documents, known)


def write_documents(
    connection: Connection,
    documents: Mapping[Digest, bytes],
    known: Mapping[Digest, DocumentRow],
    absent: Iterable[Digest] = (),
) -> dict[Digest, ContentKey]:
    """Store documents as `put_documents` does, after their rows were looked up.

    Args:
        connection: An open write transaction.
        documents: The bytes of each document, by digest.
        known: The rows of all digests of ``documents`` and ``absent`` that have one.
        absent: More digests, which get a row in state absent if they have none.

    Returns:
        The row number of each document, and of each of the other digests.
    """
    new = {digest: None for digest in absent if digest not in known} | {
        digest: len(data) for digest, data in documents.items() if digest not in known
    }
    added = add_rows(
        connection,
        content,
        (
            {
                "digest": digest,
                "size_bytes": size,
                "state": (ContentState.ABSENT if size is None else ContentState.PRESENT).value,
            }
            for digest, size in new.items()
        ),
        content.c.id,
        content.c.digest,
    )
    keys = {digest: row.key for digest, row in known.items()}
    keys |= {row.digest: ContentKey(row.id) for row in added}
    again = [
        {"key": row.key, "size": len(documents[digest])}
        for digest, row in known.items()
        if digest in documents and row.state is not ContentState.PRESENT
    ]
    if again:
        connection.execute(MAKE_PRESENT, again)
    held = {digest: row.data for digest, row in known.items() if row.data is not None}
    insert_rows(
        connection,
        document,
        (
            {"content_id": keys[digest], "bytes": data}
            for digest, data in documents.items()
            if digest not in held
        ),
    )
    damaged = [
        {"key": keys[digest], "data": data}
        for digest, data in documents.items()
        if held.get(digest, data) != data
    ]
    if damaged:
        connection.execute(_REPLACE_DOCUMENT, damaged)
    return keys


_DOCUMENTS: Final = (
    select(content.c.id, content.c.digest, content.c.state, document.c.bytes)
    .outerjoin_from(content, document, document.c.content_id == content.c.id)
    .where(content.c.digest.in_(bindparam("digests", expanding=True)))
)
_REPLACE_DOCUMENT: Final = (
    update(document)
    .where(document.c.content_id == bindparam("key"))
    .values(bytes=bindparam("data"))
)


def document_bytes(connection: Connection, digests: Iterable[Digest]) -> int:
    """Return the size of the bytes that the database holds of ``digests``, all together."""
    return sum(
        connection.execute(_DOCUMENT_BYTES, {"digests": some}).scalar() or 0
        for some in batches(list(dict.fromkeys(digests)))
    )


_DOCUMENT_BYTES: Final = (
    # The length of a BLOB is in its row's header, so SQLite does not read the bytes.
    select(func.sum(func.length(document.c.bytes)))
    .join_from(document, content, document.c.content_id == content.c.id)
    .where(content.c.digest.in_(bindparam("digests", expanding=True)))
)


def put_labels(connection: Connection, labels: Mapping[ContentKey, Mapping[str, str]]) -> None:
    """Record the labels of images and the annotations of manifests.

    The labels of a digest never change, so recorded labels are left as they are.

    Args:
        connection: An open write transaction.
        labels: Labels or annotations, by the row number of the config or manifest.
    """
    rows = (
        {"content_id": key, "key": name, "value": value}
        for key, mine in labels.items()
        for name, value in mine.items()
    )
    while some := list(islice(rows, BATCH)):
        connection.execute(_ADD_LABELS, some)


_ADD_LABELS: Final = insert(label).on_conflict_do_nothing()
