"""How a sync runs."""

from __future__ import annotations

from datetime import timedelta

from remote.sync.options import SyncOptions
from store.catalog.lists.tag_changes import is_run
from tests.support.syncs import MACHINE, RUN


def test_a_run_has_a_name_that_the_log_knows() -> None:
    options = SyncOptions(RUN, MACHINE)
    assert is_run(options.name)
    assert options.max_age == timedelta(0)
