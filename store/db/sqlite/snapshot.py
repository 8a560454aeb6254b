"""A private copy of the catalogue, on which changes can be tried."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from store.db.sqlite.engine import DATABASE, Access, database_errors, make_engine, read_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine


@contextmanager
def copied(engine: Engine) -> Iterator[Connection]:
    """Copy one snapshot and open a connection to the copy; the copy is removed at the end.

    Writers of the original need not wait.

    Args:
        engine: The engine of the original.

    Raises:
        StorageFull: There is no space for the copy in the folder for temporary files.
    """
    with TemporaryDirectory(prefix="storectl-") as folder:
        path = Path(folder) / DATABASE
        with read_unit(engine) as connection, closing(sqlite3.connect(path)) as target:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)  # noqa: S101 - the engine's own
            source.backup(target)
        copy = make_engine(path, Access.READ_WRITE)
        try:
            with database_errors(), copy.connect() as connection:
                yield connection
        finally:
            copy.dispose()
