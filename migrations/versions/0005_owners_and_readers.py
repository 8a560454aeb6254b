"""Revision 5: record the owner of an upload, and the reader of an event.

The store limits the uploads of each owner and the events of each reader. Uploads that began before
this revision have no owner, and count only towards the limit of all uploads. Events from before
this revision have no reader, and are kept.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the owner of an upload and the reader of an event."""
    op.add_column("upload", sa.Column("owner", sa.Text(), nullable=True))
    op.create_index("ix_upload_owner", "upload", ["owner"], unique=False)
    op.add_column("event", sa.Column("reader", sa.Text(), nullable=True))
    op.create_index(
        "ix_event_reader",
        "event",
        ["reader", "target", "at"],
        unique=False,
        sqlite_where=sa.text("reader IS NOT NULL"),
        postgresql_where=sa.text("reader IS NOT NULL"),
    )
