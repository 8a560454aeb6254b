"""The hot path of a push: add new content, and look up what its repository holds.

Each function sends one statement for each fact that is new. Content that has a row already takes
the general path, in `content` and `serving`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import bindparam, exists, insert, literal, not_, select

from store.catalog import serving
from store.catalog.batches import batches
from store.db.schema import blob, content, document, repository, repository_content
from store.db.types import ContentKey
from store.model.contents import ContentState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.database import Lookup
    from store.model.digests import Digest
    from store.model.references import Repository


def add_blob(
    connection: Connection, digest: Digest, size_bytes: int, now: datetime
) -> ContentKey | None:
    """Record the file of a digest, unless the digest has a row already.

    Args:
        connection: An open write transaction.
        digest: The digest of the file.
        size_bytes: Size of the file in bytes.
        now: The current time.

    Returns:
        The new row number; None if the digest has a row already, which is left as it is.
    """
    key = _add(connection, digest, size_bytes)
    if key is not None:
        connection.execute(_ADD_BLOB, {"key": key, "now": now})
    return key


def add_document(connection: Connection, digest: Digest, data: bytes) -> ContentKey | None:
    """Store a document in the database, unless its digest has a row already.

    Args:
        connection: An open write transaction.
        digest: The digest of the document.
        data: Its bytes.

    Returns:
        The new row number; None if the digest has a row already, which is left as it is.
    """
    key = _add(connection, digest, len(data))
    if key is not None:
        connection.execute(_ADD_DOCUMENT, {"key": key, "data": data})
    return key


def _add(connection: Connection, digest: Digest, size_bytes: int) -> ContentKey | None:
    added = connection.execute(_ADD, {"digest": digest, "size_bytes": size_bytes})
    return ContentKey(added.lastrowid) if added.rowcount else None


# One statement both looks for a row and adds one: a push needs it for each small blob.
_ADD: Final = insert(content).from_select(
    ("digest", "size_bytes", "state"),
    select(
        bindparam("digest", type_=content.c.digest.type),
        bindparam("size_bytes", type_=content.c.size_bytes.type),
        literal(ContentState.PRESENT.value),
    ).where(
        not_(
            exists(select(content.c.id).where(content.c.digest == bindparam("digest"))).correlate(
                None
            )
        )
    ),
)
_ADD_BLOB: Final = insert(blob).values(content_id=bindparam("key"), created_at=bindparam("now"))
_ADD_DOCUMENT: Final = insert(document).values(content_id=bindparam("key"), bytes=bindparam("data"))


def is_recorded(connection: Connection | Lookup, digest: Digest) -> bool:
    """Return whether a digest has a row, in any state."""
    return connection.execute(_IS_RECORDED, {"digest": digest}).scalar() is not None


_IS_RECORDED: Final = select(content.c.id).where(content.c.digest == bindparam("digest"))


@final
@dataclass(frozen=True, slots=True)
class HeldContent:
    """Content in state present that a repository may serve.

    Attributes:
        key: Row number of the content.
        digest: Its digest.
        size_bytes: Its size in bytes.
        file_at: When its file was published; None if it has no file.
        is_inline: Whether the database holds its bytes.
        is_fresh: Whether it is a blob that no manifest of the repository has listed yet.
    """

    key: ContentKey
    digest: Digest
    size_bytes: int
    file_at: datetime | None
    is_inline: bool
    is_fresh: bool


def held_content(
    connection: Connection, name: Repository, digests: Iterable[Digest]
) -> dict[Digest, HeldContent]:
    """Return each digest that is present and that a repository may serve.

    Args:
        connection: An open transaction.
        name: The full name of the repository.
        digests: The digests to look up.
    """
    found: dict[Digest, HeldContent] = {}
    for some in batches(list(dict.fromkeys(digests))):
        for row in connection.execute(_HELD_CONTENT, {"name": str(name), "digests": some}):
            found[row.digest] = HeldContent(
                ContentKey(row.id),
                row.digest,
                row.size_bytes,
                row.created_at,
                row.inline is not None,
                row.fresh_at is not None,
            )
    return found


_HELD_CONTENT: Final = (
    select(
        content.c.id,
        content.c.digest,
        content.c.size_bytes,
        blob.c.created_at,
        document.c.content_id.label("inline"),
        repository_content.c.fresh_at,
    )
    .join_from(content, repository_content, repository_content.c.content_id == content.c.id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .outerjoin(blob, blob.c.content_id == content.c.id)
    .outerjoin(document, document.c.content_id == content.c.id)
    .where(
        repository.c.name == bindparam("name"),
        content.c.digest.in_(bindparam("digests", expanding=True)),
        content.c.state == ContentState.PRESENT.value,
    )
)


def hold_new_blob(connection: Connection, name: Repository, key: ContentKey, now: datetime) -> None:
    """Let a repository serve a blob that has just been added, and record that a client sent it.

    Args:
        connection: An open write transaction.
        name: The full name of the repository, which is made if it does not exist.
        key: Row number of the blob, which no repository holds.
        now: The current time: the start of the blob's grace period.
    """
    if not serving.note_blobs(connection, name, now):
        serving.ensure_repositories(connection, (name,))
        serving.note_blobs(connection, name, now)
    connection.execute(_HOLD_NEW, {"key": key, "now": now, "name": str(name)})


_HOLD_NEW: Final = insert(repository_content).from_select(
    ("repository_id", "content_id", "fresh_at"),
    select(
        repository.c.id,
        bindparam("key", type_=repository_content.c.content_id.type),
        bindparam("now", type_=repository_content.c.fresh_at.type),
    ).where(repository.c.name == bindparam("name")),
)
