"""The images whose layers fsck compares with their config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import audit, verification
from store.model.contents import DiffState
from store.model.digests import ImageID
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_manifests_that_are_not_verified_come_with_their_names(rows: Rows) -> None:
    app = rows.image("app", "a")
    proven, doubtful = rows.manifest("m", app), rows.manifest("n", app)
    rows.tag("demo:1", doubtful)
    states = {proven: DiffState.VERIFIED, doubtful: DiffState.MISMATCH}
    verification.set_manifest_states(rows.connection, states)
    assert audit.unproven(rows.connection) == (
        (named("n"), ImageID(named("app")), ("docker.io/library/demo:1",)),
    )
