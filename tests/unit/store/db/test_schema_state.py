from __future__ import annotations

import pytest

from store.db.schema import HEAD, REVISIONS
from store.db.schema_state import SchemaState


@pytest.mark.parametrize(
    ("current", "is_current"),
    [(None, False), *((revision, revision == HEAD) for revision in REVISIONS), ("9999", False)],
)
def test_only_the_newest_revision_needs_no_upgrade(
    current: str | None, *, is_current: bool
) -> None:
    assert SchemaState(current).is_current is is_current
