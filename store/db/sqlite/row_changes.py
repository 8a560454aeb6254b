"""Report the rows that write units change, with triggers that only this connection has.

A temporary trigger is not stored in the database file: it exists for one connection, and other
programs do not see it. It calls a function of this module for each changed row.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, final

from store.db.changes import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from store.db.changes import UnitListener

_KEY: Final = "row_changes"

_DIGEST: Final = "(SELECT digest FROM content WHERE id = {})"
_NAME: Final = "(SELECT name FROM repository WHERE id = {})"
_HOLDERS: Final = (
    "SELECT note_change('held', repository.name, content.digest, held.media_type)"
    " FROM repository_content AS held"
    " JOIN repository ON repository.id = held.repository_id"
    " JOIN content ON content.id = held.content_id"
    " WHERE held.content_id = NEW.content_id"
)


def _note(kind: str, *values: str) -> str:
    return f"SELECT note_change('{kind}', {', '.join(values)})"


_NEW: Final = _DIGEST.format("NEW.content_id")
_OF_MANIFEST: Final = _DIGEST.format("NEW.manifest_id")
_IN: Final = _NAME.format("NEW.repository_id")
_FROM: Final = _NAME.format("OLD.repository_id")

_DOCUMENT: Final = _note("document", _NEW, "NEW.bytes")
_MANIFEST: Final = _note("manifest", _NEW, "NEW.media_type")
_TAG: Final = _note("tag", _IN, "NEW.tag", _OF_MANIFEST, "NEW.tagged_at")
_PARENT: Final = _note("parent", _NEW, _DIGEST.format("NEW.parent_id"))
_HELD: Final = _note("held", _IN, _NEW, "NEW.media_type")
# What a repository serves follows from its manifests, except for layers that may be downloaded
# elsewhere: the repository of their manifest need not hold them.
_IS_RECORDED: Final = (
    "EXISTS (SELECT 1 FROM manifest WHERE content_id = NEW.content_id)"
    " OR EXISTS (SELECT 1 FROM foreign_source WHERE content_id = NEW.content_id)"
)

_TRIGGERS: Final = (
    ("AFTER INSERT ON main.document", _DOCUMENT),
    ("AFTER UPDATE OF bytes ON main.document", _DOCUMENT),
    # The content may have been held as a blob before it was known as a manifest.
    ("AFTER INSERT ON main.manifest", f"{_MANIFEST}; {_HOLDERS}"),
    ("AFTER UPDATE OF media_type ON main.manifest", _MANIFEST),
    ("AFTER INSERT ON main.manifest_edge WHEN NEW.urls IS NOT NULL", _HOLDERS),
    ("AFTER INSERT ON main.reference", _TAG),
    ("AFTER UPDATE ON main.reference", _TAG),
    ("AFTER DELETE ON main.reference", _note("tag", _FROM, "OLD.tag", "NULL", "NULL")),
    (f"AFTER INSERT ON main.repository_content WHEN {_IS_RECORDED}", _HELD),
    (f"AFTER UPDATE OF media_type ON main.repository_content WHEN {_IS_RECORDED}", _HELD),
    (
        "AFTER DELETE ON main.repository_content",
        _note("released", _FROM, _DIGEST.format("OLD.content_id")),
    ),
    ("AFTER INSERT ON main.kept", _note("kept", _OF_MANIFEST, "NEW.at")),
    ("AFTER DELETE ON main.kept", _note("dropped", _DIGEST.format("OLD.manifest_id"))),
    ("AFTER INSERT ON main.image WHEN NEW.parent_id IS NOT NULL", _PARENT),
    ("AFTER UPDATE OF parent_id ON main.image", _PARENT),
    (
        "AFTER INSERT ON main.foreign_source",
        _note("source", _DIGEST.format("NEW.image_id"), _NEW, "NEW.descriptor"),
    ),
)
_POSITION: Final = (
    "SELECT max(CASE name WHEN 'content' THEN seq ELSE 0 END),"
    " max(CASE name WHEN 'reference_log' THEN seq ELSE 0 END) FROM sqlite_sequence"
)


@final
class _Switch:
    """The receiver of a connection's changes: the listener of the unit that runs, if any."""

    def __init__(self) -> None:
        self.listener: UnitListener | None = None

    def note(self, kind: str, *values: Any) -> None:  # noqa: ANN401 - SQLite's values
        if self.listener is not None:
            self.listener.changed(kind, values)


@contextmanager
def reported(connection: Connection, begin: Callable[[], UnitListener] | None) -> Iterator[None]:
    """Report the changes of a write unit that runs in the block.

    Args:
        connection: The connection of the unit, on which no transaction is open.
        begin: Returns the listener of the unit; None if nobody listens.
    """
    if begin is None:
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    try:
        switch = connection.info.get(_KEY)
        if switch is None:
            switch = _Switch()
            _install(driver, switch)
            connection.info[_KEY] = switch
        before = _position(driver)
    except sqlite3.Error:
        # The schema is another one, or the file is damaged: the unit itself finds out.
        yield
        return
    listener = switch.listener = begin()
    try:
        yield
    finally:
        switch.listener = None
    # The transaction has been committed, and no other writer can begin yet. The listener is not
    # told if the database cannot be read now: it compares the positions in the next unit.
    with suppress(sqlite3.Error):
        after = _position(driver)
        listener.committed(connection, before, after)


def _install(driver: sqlite3.Connection, switch: _Switch) -> None:
    driver.create_function("note_change", -1, switch.note)
    for number, (when, body) in enumerate(_TRIGGERS):
        driver.execute(f"CREATE TEMP TRIGGER IF NOT EXISTS note_{number} {when} BEGIN {body}; END")


def _position(driver: sqlite3.Connection) -> Position:
    content, references = driver.execute(_POSITION).fetchone()
    return Position(content or 0, references or 0)
