"""${message}

Rules: this file is history once released, and its statements are not edited. It imports nothing
of ours: tables are written out and not taken from store.db.schema. A parent table is rebuilt only
through op.batch_alter_table, with foreign keys off (the caller switches them off, and checks them
before COMMIT). HEAD and REVISIONS in store.db.schema are updated too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """${message}."""
    ${upgrades if upgrades else "pass"}
