"""A few power cuts below each file system that this machine can make."""

from __future__ import annotations

import pytest

from tests.reliability import campaign, mounted_cuts


def test_stores_survive_power_cuts_below_their_file_system() -> None:
    found = mounted_cuts.run(campaign.QUICK.mounted)
    missing = {name: one.missing for name, one in found.items() if one.missing}
    if len(missing) == len(found):
        pytest.skip(f"no file system can be made: {missing}")
    assert [failure for one in found.values() for failure in one.failures] == []
    assert all(one.acknowledged for one in found.values() if not one.missing)
