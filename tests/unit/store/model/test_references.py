"""Names: what is printed reads back as itself."""

from __future__ import annotations

import pytest

from store.model.platforms import DEFAULT, Platform, best
from store.model.references import Reference


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/debian:12", "debian:12"),
        ("docker.io/team/app:1", "team/app:1"),
        ("docker.io/library/library/app:1", "library/library/app:1"),
        ("docker.io/library/foo.bar:1", "foo.bar:1"),
        ("docker.io/foo.bar/baz:1", "docker.io/foo.bar/baz:1"),
        ("docker.io/localhost/baz:1", "docker.io/localhost/baz:1"),
        ("foo.bar/baz:1", "foo.bar/baz:1"),
    ],
)
def test_a_familiar_name_means_what_it_is_short_for(text: str, familiar: str) -> None:
    name = Reference.parse(text)
    assert name.familiar == familiar
    assert Reference.parse(name.familiar) == name


@pytest.mark.parametrize("variant", ["v\u00b2", "\u00b2", "v\u0663.1", "v\u2460"])
def test_odd_digits_are_no_version(variant: str) -> None:
    odd = Platform.of("linux", "arm", variant)
    assert Platform.of("linux", "arm", "v7").runs(odd) is not None
    assert best(DEFAULT, [odd, Platform.of("linux", "amd64", variant)]) == 1
