"""The defaults of a pull."""

from __future__ import annotations

from remote.pulling.options import JOBS, PullOptions
from store.importing.archive import LayerChecks
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import DEFAULT


def test_only_the_image_for_this_machine_is_pulled_by_default() -> None:
    options = PullOptions()
    assert (options.platforms, options.all_platforms, options.has_referrers) == ((), False, False)
    assert (options.machine, options.jobs, options.limits) == (DEFAULT, JOBS, DEFAULT_LIMITS)
    assert options.checks is LayerChecks.LATER
