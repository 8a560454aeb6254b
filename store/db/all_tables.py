"""All tables of the catalogue, for what concerns the schema as a whole.

A table belongs to ``metadata`` only once its module is imported.
"""

from __future__ import annotations

from store.db import schema, upstream_schema  # noqa: F401 - they add their tables
from store.db.metadata import metadata

__all__ = ["metadata"]
