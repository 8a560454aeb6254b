from __future__ import annotations

from typing import Any

import pytest

from exporter.options import Format, SaveOptions
from store.errors import InvalidInput
from store.model.platforms import Platform

AMD64, ARM64, ARM_V6, ARM_V7 = map(
    Platform.parse, ("linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7")
)


@pytest.mark.parametrize("text", ["tar", "", "OCI", "oci\x1b[2J"])
def test_an_unknown_format_is_invalid_input(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Format.parse(text)
    assert "\x1b" not in caught.value.message
    assert "legacy, docker, oci" in (caught.value.hint or "")


def test_a_format_given_as_text_becomes_a_format() -> None:
    options: Any = SaveOptions
    assert options(format="oci").format is Format.OCI
    with pytest.raises(InvalidInput):
        options(format="tar")


def test_the_best_image_for_the_machine_is_chosen_if_no_platform_is_asked_for() -> None:
    offers = [None, AMD64, ARM_V6, ARM_V7]
    assert SaveOptions(machine=ARM_V7).choose(offers) == 3
    assert SaveOptions(machine=ARM_V6).choose(offers) == 2
    assert SaveOptions(machine=Platform.parse("linux/s390x")).choose(offers) == 1


def test_the_first_platform_with_an_image_is_chosen() -> None:
    s390x = Platform.parse("linux/s390x")
    options = SaveOptions(platforms=(s390x, ARM64, AMD64), machine=AMD64)
    assert options.choose([AMD64, ARM64]) == 1


def test_an_image_of_unknown_platform_is_wanted_only_if_no_platform_is_asked_for() -> None:
    assert SaveOptions().wants(None)
    assert not SaveOptions(platforms=(AMD64,)).wants(None)
    assert SaveOptions(platforms=(ARM64, AMD64)).wants(AMD64)
    assert not SaveOptions(platforms=(ARM64,)).wants(AMD64)
