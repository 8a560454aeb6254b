"""Alembic's environment. It runs on the caller's connection and opens none of its own.

The caller (`store.db.sqlite.upgrade`) holds the write lock, has switched foreign keys off and has
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
    # One transaction around all revisions: all of them are applied, or none.
    transaction_per_migration=False,
)
context.run_migrations()
