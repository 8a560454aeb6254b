"""The environment in which Alembic runs the migrations, on the caller's connection.

The caller (`store.db.sqlite.upgrade`) holds the write lock, has switched foreign keys off, and has
begun an immediate transaction.
"""

from __future__ import annotations

from alembic import context

_config = context.config
context.configure(
    connection=_config.attributes["connection"],
    target_metadata=_config.attributes.get("metadata"),
    render_as_batch=True,
    compare_type=True,
    compare_server_default=True,
    # All revisions share one transaction: either all are applied, or none.
    transaction_per_migration=False,
)
context.run_migrations()
