"""${message}

Rules: this file is history once released and is not edited; it imports nothing of ours (tables are written out, not taken from store.db.schema);
a parent table is rebuilt only through op.batch_alter_table, with foreign keys off (the caller sees to it and checks them before COMMIT);
store.db.schema.HEAD and REVISIONS are moved along.
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
