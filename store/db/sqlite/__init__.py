"""Connections to SQLite."""

from store.db import lean_sqlalchemy  # noqa: F401 - before the modules import SQLAlchemy
