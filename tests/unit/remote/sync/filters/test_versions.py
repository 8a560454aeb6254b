"""Semantic versions and ranges of them."""

from __future__ import annotations

import pytest

from remote.sync.filters.versions import Version, VersionRange


def version(text: str) -> Version:
    found = Version.parse(text)
    assert found is not None
    return found


def test_versions_are_ordered_as_semver_says() -> None:
    # The example of semver.org, section 11.
    texts = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11"
    ordered = [version(text) for text in f"{texts} 1.0.0-rc.1 1.0.0 1.0.1 v1.2 1.10 2".split()]
    mixed = ordered[::2] + ordered[1::2]
    assert sorted(mixed) == ordered
    assert version("1.2") == version("v1.2.0+build")
    assert hash(version("1.2")) == hash(version("1.2.0"))
    assert version("1.2") != "1.2"


@pytest.mark.parametrize("text", ["latest", "", "1.2.3.4", "01.2", "1.2-", "v", "1..2", "9" * 30])
def test_other_tags_are_not_versions(text: str) -> None:
    assert Version.parse(text) is None


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        (">=1.2 <2", "1.2 1.9.9 v1.3", "2.0 1.1 2.0.0-rc1 1.5.0-rc1"),
        (">= 1.2, < 2.0.0", "1.2 1.9.9", "2.0 1.1"),
        ("=>1.2 =<1.4", "1.2 1.4.9", "1.5"),
        ("^1.4", "1.4 1.9", "2.0 1.3"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("~1.2", "1.2.9", "1.3.0"),
        ("~1", "1.9", "2.0"),
        ("~>1.2.3", "1.2.4", "1.3.0"),
        ("3.x", "3.9.1", "4.0"),
        ("3.*.x", "3.9.1", "4.0"),
        ("=1.2", "1.2.9", "1.3"),
        ("1.2.3", "1.2.3", "1.2.4"),
        ("1.2 - 1.4", "1.4.9 1.2.0", "1.5"),
        ("*", "1.0 3", "1.0.0-rc"),
        ("!=1.2.3", "1.2.4", "1.2.3"),
        ("!=1.2", "1.3", "1.2.3"),
        (">1.2", "1.3.0", "1.2.9"),
        (">1.2.3", "1.2.4", "1.2.3"),
        (">*", "", "1.0 2.0"),
        ("<=1.2", "1.2.9", "1.3"),
        ("<=1.2.3", "1.2.3", "1.2.4"),
        (">=1.0.0-0", "1.0.0-rc 2.0.0-rc 2.0", "0.9"),
        ("1.2 || 3", "1.2.4 3.4", "2.0"),
    ],
)
def test_ranges_are_those_of_masterminds(text: str, yes: str, no: str) -> None:
    found = VersionRange.parse(text)
    assert [one for one in yes.split() if not found.has(version(one))] == []
    assert [one for one in no.split() if found.has(version(one))] == []


@pytest.mark.parametrize(
    "text", ["", "new", ">=", "1.2 ||", ">= <1", "1.2-rc", "1" * 600, "^^1", "!"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        VersionRange.parse(text)
