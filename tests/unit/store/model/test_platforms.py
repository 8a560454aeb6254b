from __future__ import annotations

import pytest

from store.errors import InvalidInput
from store.model.platforms import DEFAULT, Platform, PlatformChoice, best


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/aarch64/v8", "linux/arm64"),
        ("linux/arm64/v8.2", "linux/arm64/v8.2"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("macos/arm64", "darwin/arm64"),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"),
    ],
)
def test_platforms_are_normalised(text: str, normal: str) -> None:
    assert str(Platform.parse(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux/amd64/v1/x",
        "linux/am d64",
        "linux()/amd64",
        "l\x1b/a",
    ],
)
def test_other_text_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Platform.parse(text)
    assert caught.value.message.startswith("invalid platform '")
    assert "\x1b" not in caught.value.message


def test_missing_fields_of_a_descriptor_are_empty() -> None:
    assert Platform.of_fields({"os": "windows", "os.version": "10.0", "variant": None}) == Platform(
        "windows", "", "", "10.0"
    )


@pytest.mark.parametrize(
    ("asked", "offered", "fits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/amd64/v3", "linux/amd64/v3", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/amd64/v3", "linux/amd64/v2", False),
        ("linux/amd64", "linux/amd64/v3", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("windows/amd64", "windows(10.0.1)/amd64", True),
        ("windows(10.0)/amd64", "windows(10.0.1)/amd64", True),
        ("windows(10.1)/amd64", "windows(10.0.1)/amd64", False),
    ],
)
def test_a_platform_that_was_asked_for_matches(asked: str, offered: str, *, fits: bool) -> None:
    assert Platform.parse(asked).matches(Platform.parse(offered)) is fits


def test_a_machine_prefers_its_own_variant_then_the_next_older_one() -> None:
    machine = Platform.parse("linux/arm/v7")
    offers = [Platform.parse(f"linux/arm/{variant}") for variant in ("v5", "v8", "v6", "v7")]
    assert best(machine, offers) == 3
    assert best(machine, offers[:3]) == 2
    assert best(machine, offers[:2]) == 0
    assert best(machine, offers[1:2]) is None


def test_the_first_of_equal_offers_is_chosen() -> None:
    assert best(DEFAULT, [DEFAULT, DEFAULT]) == 0
    assert best(DEFAULT, []) is None


def test_a_choice_prefers_the_wanted_platforms_then_the_machine_then_the_first() -> None:
    arm, amd, s390x = (Platform.parse(f"linux/{name}") for name in ("arm64", "amd64", "s390x"))
    offers = [None, arm, amd]
    assert PlatformChoice().choose(offers) == 2
    assert PlatformChoice(machine=s390x).choose(offers) == 1
    assert PlatformChoice((s390x, arm), amd).choose(offers) == 1
    assert PlatformChoice((s390x,), amd).choose(offers) is None
    assert PlatformChoice().choose([None]) is None
    assert PlatformChoice().choose([]) is None


def test_a_choice_without_wanted_platforms_fits_every_image() -> None:
    arm = Platform.parse("linux/arm64")
    assert PlatformChoice().fits(arm)
    assert PlatformChoice((arm,)).fits(arm)
    assert not PlatformChoice((arm,)).fits(DEFAULT)


@pytest.mark.parametrize("variant", ["v\u00b2", "\u00b2", "v\u0663.1", "v\u2460", "v1234"])
def test_odd_digits_are_not_a_version(variant: str) -> None:
    odd = Platform.of("linux", "arm", variant)
    assert Platform.of("linux", "arm", "v7").runs(odd) is not None
    assert best(DEFAULT, [odd, Platform.of("linux", "amd64", variant)]) == 1


@pytest.mark.parametrize("text", ["unknown/unknown", "linux/unknown", "unknown/amd64"])
def test_the_platform_of_attestations_is_not_known(text: str) -> None:
    assert not Platform.parse(text).is_known
    assert DEFAULT.is_known
