"""Alembic's environment.

It runs on the connection that the caller hands in and opens none of its own.

The caller has already begun the (immediate) transaction, switched foreign keys off and taken the
write lock: see `store.db.sqlite.upgrade`.
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
    # One transaction around all revisions: an upgrade happens whole or not at all.
    transaction_per_migration=False,
)
context.run_migrations()
