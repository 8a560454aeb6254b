"""The option `--platform` of the commands that show one image of an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from store import errors
from store.model.platforms import Platform, PlatformChoice
from storectl.commands._platform import platform_choice
from storectl.settings import Settings


def test_a_choice_has_the_wanted_platform_and_that_of_the_machine() -> None:
    settings = Settings(Path("store"), machine="aarch64")
    arm = Platform.parse("linux/arm64")
    assert platform_choice(settings, None) == PlatformChoice(machine=arm)
    assert platform_choice(settings, "linux/arm/7") == PlatformChoice(
        (Platform.parse("linux/arm/v7"),), arm
    )
    with pytest.raises(errors.InvalidInput):
        platform_choice(settings, "linux")
