from __future__ import annotations

import pytest

from remote.configuration.pull_sources import (
    PullSource,
    RegistryBlocked,
    is_short,
    named_references,
    pull_sources,
)
from remote.configuration.registries_conf import RegistriesConf
from store.errors import InvalidInput, InvalidReference
from store.model.references import Reference

DIGEST = "sha256:" + "ab" * 32

CONF = """
[[registry]]
prefix = "example.com/foo"
location = "internal.example/bar"
[[registry.mirror]]
location = "mirror-0.example/for-foo"
[[registry.mirror]]
location = "mirror-1.example"
insecure = true
pull-from-mirror = "digest-only"

[[registry]]
location = "docker.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "localhost:5000/hub"

[[registry]]
prefix = "*.corp.example"
insecure = true

[[registry]]
location = "blocked.example/team"
blocked = true
"""


def sources(text: str, conf: str = CONF) -> list[str]:
    found = pull_sources(RegistriesConf.parse(conf, "r.conf"), Reference.parse(text))
    return [
        f"{one.reference}{' mirror' * one.is_mirror}{' insecure' * one.insecure}" for one in found
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("quay.io/app:1", ["quay.io/app:1"]),
        (
            "example.com/foo/app:1",
            ["mirror-0.example/for-foo/app:1 mirror", "internal.example/bar/app:1"],
        ),
        (
            f"example.com/foo/app@{DIGEST}",
            [
                f"mirror-0.example/for-foo/app@{DIGEST} mirror",
                f"mirror-1.example/app@{DIGEST} mirror insecure",
                f"internal.example/bar/app@{DIGEST}",
            ],
        ),
        ("example.com/food:1", ["example.com/food:1"]),
        ("debian:12", ["docker.io/library/debian:12"]),
        (
            f"debian:12@{DIGEST}",
            [
                f"localhost:5000/hub/library/debian:12@{DIGEST} mirror",
                f"docker.io/library/debian:12@{DIGEST}",
            ],
        ),
        ("a.corp.example/app:1", ["a.corp.example/app:1 insecure"]),
    ],
)
def test_mirrors_come_first_and_the_registry_of_the_name_last(text: str, places: list[str]) -> None:
    assert sources(text) == places


def test_a_mirror_of_itself_is_asked_once() -> None:
    conf = "[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]\nlocation = 'a.io'\n"
    assert sources("a.io/app:1", conf) == ["a.io/app:1"]
    assert pull_sources(RegistriesConf(), Reference.parse("a.io/app:1")) == (
        PullSource(Reference.parse("a.io/app:1")),
    )


def test_a_blocked_registry_is_refused_with_the_file() -> None:
    with pytest.raises(RegistryBlocked, match=r"blocked in r\.conf") as caught:
        sources("blocked.example/team/app:1")
    assert caught.value.reference == Reference.parse("blocked.example/team/app:1")
    assert sources("blocked.example/other:1") == ["blocked.example/other:1"]


def test_a_location_that_makes_no_name_is_refused_with_the_file() -> None:
    long = "x" * 250
    with pytest.raises(InvalidInput, match=r"invalid file r\.conf: the location"):
        sources(f"a.io/{'y' * 200}:1", f"[[registry]]\nprefix = 'a.io'\nlocation = 'b.io/{long}'")


@pytest.mark.parametrize(
    ("text", "conf", "names"),
    [
        ("debian", "", ["docker.io/library/debian"]),
        ("quay.io/app", "[aliases]\n'quay.io/app' = 'x.io/a'", ["quay.io/app"]),
        ("debian:12", "[aliases]\ndebian = 'x.io/d'", ["x.io/d:12"]),
        (f"a/b:1@{DIGEST}", "[aliases]\n'a/b' = 'x.io/d'", [f"x.io/d:1@{DIGEST}"]),
        (
            "team/app",
            "unqualified-search-registries = ['x.io', 'docker.io', 'x.io']",
            ["x.io/team/app", "docker.io/team/app"],
        ),
        ("app:1", "unqualified-search-registries = ['docker.io']", ["docker.io/library/app:1"]),
        (
            "app",
            "unqualified-search-registries = ['x.io']\nshort-name-mode = 'enforcing'",
            ["x.io/app"],
        ),
    ],
)
def test_short_names_have_aliases_and_registries(text: str, conf: str, names: list[str]) -> None:
    found = named_references(RegistriesConf.parse(conf, "r.conf"), text)
    assert [str(one) for one in found] == names


def test_an_ambiguous_name_is_refused_if_the_settings_say_so() -> None:
    conf = "unqualified-search-registries = ['x.io', 'y.io']\nshort-name-mode = 'enforcing'"
    with pytest.raises(InvalidReference, match=r"may mean x\.io/app, y\.io/app"):
        named_references(RegistriesConf.parse(conf, "r.conf"), "app")
    with pytest.raises(InvalidReference):
        named_references(RegistriesConf(), "App")


@pytest.mark.parametrize(
    ("text", "short"),
    [("a", True), ("a:1", True), ("a/b", True), ("localhost/a", False), ("a:1/b", False)],
)
def test_a_name_without_a_registry_is_short(text: str, short: bool) -> None:
    assert is_short(text) is short
