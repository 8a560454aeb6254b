"""Revision 16: remember how many requests registries have announced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; registries announce again."""
    op.create_table(
        "registry_budget",
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("ceiling", sa.Integer()),
        sa.Column("noted_at", sa.String(27), nullable=False),
        sa.Column("until", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("registry", name="pk_registry_budget"),
    )
