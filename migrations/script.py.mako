"""${message}

Rules:

- Do not change the statements of this file after its release.
- Import nothing from this project: write tables out instead of importing store.db.schema.
- Rebuild a parent table only with op.batch_alter_table. The caller switches foreign keys off, and
  checks them before COMMIT.
- Update HEAD and REVISIONS in store.db.schema.
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
