"""Revision 2: create the tables of records, running operations and garbage collection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables of records, running operations and condemned files."""
    op.create_table(
        "condemned",
        sa.Column("digest", sa.String(140), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_condemned")),
    )
    op.create_table(
        "event",
        sa.Column("id", ROW, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_at", "event", ["at"], unique=False)
    op.create_index("ix_event_target", "event", ["target"], unique=False)
    op.create_table(
        "import_ledger",
        sa.Column("id", ROW, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("claim", sa.String(140), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("images", sa.Text(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "result IN ('changed', 'unchanged')", name=op.f("ck_import_ledger_result")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_ledger")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_import_ledger_claim", "import_ledger", ["claim"], unique=False)
    op.create_table(
        "operation",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
    )
    op.create_table(
        "reference_log",
        sa.Column("id", ROW, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("old", sa.String(140), nullable=True),
        sa.Column("new", sa.String(140), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference_log")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_reference_log_repository_tag", "reference_log", ["repository", "tag"], unique=False
    )
    op.create_table(
        "lease",
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("content_id", ROW, nullable=False),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["content.id"],
            name=op.f("fk_lease_content_id_content"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operation.id"],
            name=op.f("fk_lease_operation_id_operation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("operation_id", "content_id", name=op.f("pk_lease")),
    )
    op.create_index("ix_lease_content_id", "lease", ["content_id"], unique=False)
