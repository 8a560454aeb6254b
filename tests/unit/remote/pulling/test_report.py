"""What a pull reports about each image."""

from __future__ import annotations

from typing import get_args

from remote.pulling.report import FailedImage, PlannedImage, PulledImage, PullOutcome
from store.errors import Unavailable
from store.model.references import Reference


def test_an_outcome_is_one_of_three_and_names_its_image() -> None:
    assert set(get_args(PullOutcome)) == {FailedImage, PlannedImage, PulledImage}
    error = Unavailable("no route")
    failed = FailedImage(Reference.parse("app:1"), error)
    assert (failed.reference.familiar, failed.error) == ("app:1", error)
