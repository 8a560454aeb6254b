"""A short soak; ``make reliability`` soaks for an hour."""

from __future__ import annotations

import json

import pytest

from tests.reliability import campaign


@pytest.mark.slow
def test_processes_of_every_verb_lose_nothing() -> None:
    found = json.loads(json.dumps(campaign.soak(campaign.QUICK.soak_s)))
    assert found["failures"] == []
    assert {"import", "tag", "save", "push", "pull"} <= set(found["done"])
