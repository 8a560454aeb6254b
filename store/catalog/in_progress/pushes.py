"""The hot path of a push: add new content, and look up what its repository holds.

Each function sends one statement for each fact that is new. Content that has a row already takes
the general path, in `content` and `serving`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import and_, bindparam, case, exists, insert, literal, not_, select

from store.catalog import serving
from store.catalog.batches import batches
from store.catalog.documents import DocumentRow
from store.db.schema import blob, content, document, encoding, repository, repository_content
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


def is_recorded(connection: Connection | Lookup, digest: Digest) -> bool:
    """Return whether a digest has a row, in any state."""
    return connection.execute(_IS_RECORDED, {"digest": digest}).scalar() is not None


_IS_RECORDED: Final = select(content.c.id).where(content.c.digest == bindparam("digest"))


@final
@dataclass(frozen=True, slots=True)
class KnownContent:
    """What the catalogue knows of a digest, for one repository.

    Attributes:
        key: Row number of the content.
        digest: Its digest.
        size_bytes: Its size in bytes; None if it is not known.
        state: Whether its bytes can be read.
        file_at: When its file was published; None if it has no file.
        is_inline: Whether the database holds its bytes.
        data: Its bytes, if the database holds them and the caller has asked for them.
        is_listed: Whether the repository may serve it as soon as it is present.
        is_fresh: Whether it is a blob that no manifest of the repository has listed yet.
        is_encoding: Whether it is known to decode to other content.
    """

    key: ContentKey
    digest: Digest
    size_bytes: int | None
    state: ContentState
    file_at: datetime | None
    is_inline: bool
    data: bytes | None
    is_listed: bool
    is_fresh: bool
    is_encoding: bool

    @property
    def is_present(self) -> bool:
        """Whether its bytes can be read."""
        return self.state is ContentState.PRESENT

    @property
    def is_held(self) -> bool:
        """Whether it is present, and the repository may serve it."""
        return self.is_present and self.is_listed

    @property
    def row(self) -> DocumentRow:
        """What the catalogue has of it as a document."""
        return DocumentRow(self.key, self.state, self.data)


def known_content(
    connection: Connection,
    name: Repository,
    digests: Iterable[Digest] = (),
    documents: Iterable[Digest] = (),
) -> dict[Digest, KnownContent]:
    """Return what is known of each digest that has a row.

    Args:
        connection: An open transaction.
        name: The full name of the repository.
        digests: The digests to look up.
        documents: More digests, whose bytes are returned if the database holds them.
    """
    read = frozenset(documents)
    found: dict[Digest, KnownContent] = {}
    for some in batches(list(dict.fromkeys((*digests, *read)))):
        values = {"name": str(name), "digests": some, "documents": sorted(read.intersection(some))}
        for row in connection.execute(_KNOWN_CONTENT, values):
            found[row.digest] = KnownContent(
                ContentKey(row.id),
                row.digest,
                row.size_bytes,
                ContentState(row.state),
                row.created_at,
                row.inline is not None,
                row.bytes,
                row.repository_id is not None,
                row.fresh_at is not None,
                bool(row.is_encoding),
            )
    return found


_KNOWN_CONTENT: Final = (
    select(
        content.c.id,
        content.c.digest,
        content.c.size_bytes,
        content.c.state,
        blob.c.created_at,
        document.c.content_id.label("inline"),
        # SQLite reads the bytes only where the condition holds.
        case(
            (
                content.c.digest.in_(bindparam("documents", expanding=True)),
                document.c.bytes,
            )
        ).label("bytes"),
        repository_content.c.repository_id,
        repository_content.c.fresh_at,
        exists(select(literal(1)).where(encoding.c.stored_id == content.c.id)).label("is_encoding"),
    )
    .outerjoin_from(content, blob, blob.c.content_id == content.c.id)
    .outerjoin(document, document.c.content_id == content.c.id)
    .outerjoin(
        repository_content,
        and_(
            repository_content.c.content_id == content.c.id,
            repository_content.c.repository_id
            == select(repository.c.id)
            .where(repository.c.name == bindparam("name"))
            .scalar_subquery(),
        ),
    )
    .where(content.c.digest.in_(bindparam("digests", expanding=True)))
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
