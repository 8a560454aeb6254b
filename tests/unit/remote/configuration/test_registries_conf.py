from __future__ import annotations

import pytest

from remote.configuration import registries_conf
from remote.configuration.registries_conf import (
    Place,
    PullFrom,
    RegistriesConf,
    RegistryTable,
    ShortNameMode,
)
from store.errors import InvalidInput

WHOLE = """
unqualified-search-registries = ["quay.io", "registry.example:5000/"]
short-name-mode = "enforcing"

[[registry]]
prefix = "example.com/foo"
location = "internal.example/bar"
insecure = true

[[registry.mirror]]
location = "mirror-0.example/foo"

[[registry.mirror]]
location = "mirror-1.example/foo"
insecure = true
pull-from-mirror = "tag-only"

[[registry]]
location = "registry.example"
blocked = true

[[registry]]
prefix = "*.internal.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "localhost:5000"

[aliases]
"debian" = "docker.io/library/debian"
"""


DIGEST_ONLY = "[[registry]]\nlocation = 'a.io'\nmirror-by-digest-only = true\n"


def parse(text: str) -> RegistriesConf:
    return RegistriesConf.parse(text, "registries.conf")


def test_every_setting_is_read() -> None:
    conf = parse(WHOLE)
    assert conf.search == ("quay.io", "registry.example:5000")
    assert conf.mode is ShortNameMode.ENFORCING
    assert conf.aliases == {"debian": "docker.io/library/debian"}
    assert list(conf.tables.values()) == [
        RegistryTable(
            "example.com/foo",
            Place("internal.example/bar", insecure=True),
            (
                Place("mirror-0.example/foo"),
                Place("mirror-1.example/foo", insecure=True, pull_from=PullFrom.TAG),
            ),
            source="registries.conf",
        ),
        RegistryTable("registry.example", Place(""), is_blocked=True, source="registries.conf"),
        RegistryTable(
            "*.internal.example",
            Place(""),
            (Place("localhost:5000", pull_from=PullFrom.DIGEST),),
            source="registries.conf",
        ),
    ]


def test_the_lists_of_version_1_are_read() -> None:
    conf = parse(
        "[registries.search]\nregistries = ['a.io']\n"
        "[registries.insecure]\nregistries = ['b.io']\n"
        "[registries.block]\nregistries = ['b.io', 'c.io']\n"
    )
    assert conf.search == ("a.io",)
    assert {
        prefix: (table.primary.insecure, table.is_blocked) for prefix, table in conf.tables.items()
    } == {"b.io": (True, True), "c.io": (False, True)}


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("a = 1 2", "at line 1"),
        ("a = " + "[" * 100_000, ""),
        ("registry = 1", "registry is not an array of tables"),
        ("[[registry]]\nprefix = 1", "prefix is not a string"),
        ("[[registry]]", "neither a prefix nor a location"),
        ("[[registry]]\nprefix = 'a.io'", "'a.io' has no location"),
        ("[[registry]]\nprefix = '*.a.io/x'", "a wildcard stands only in '*.DOMAIN'"),
        ("[[registry]]\nprefix = 'a.*.io'\nlocation = 'b.io'", "invalid prefix"),
        ("[[registry]]\nlocation = 'https://a.io'", "without a scheme"),
        ("[[registry]]\nlocation = 'host'", "invalid prefix 'host'"),
        ("[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]", "location of a mirror"),
        ("[[registry]]\nlocation = 'a.io'\ninsecure = 'yes'", "insecure is not true or false"),
        (
            f"{DIGEST_ONLY}[[registry.mirror]]\nlocation = 'b.io'\npull-from-mirror = 'all'",
            "leave out one of the two",
        ),
        (
            f"{DIGEST_ONLY}[[registry.mirror]]\nlocation = 'b.io'\npull-from-mirror = 'some'",
            "expected all, digest-only, tag-only",
        ),
        ("short-name-mode = 'x'", "expected enforcing, permissive, disabled"),
        ("unqualified-search-registries = 'a.io'", "is not an array of strings"),
        ("unqualified-search-registries = ['a']", "invalid registry 'a'"),
        ("aliases = 1", "aliases is not a table"),
        ("[aliases]\na = 1", "a is not a string"),
    ],
    ids=lambda value: value[:40],
)
def test_text_that_is_not_valid_is_refused_with_the_file(text: str, fact: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert caught.value.message.startswith("invalid file registries.conf: ")
    assert fact in caught.value.message


def test_the_number_of_tables_has_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries_conf, "MAX_TABLES", 1)
    with pytest.raises(InvalidInput, match="more than 1"):
        parse("[[registry]]\nlocation = 'a.io'\n[[registry]]\nlocation = 'b.io'")


def test_a_later_file_overrides_an_earlier_one() -> None:
    merged = RegistriesConf.merged(
        (
            parse(WHOLE),
            parse(
                "unqualified-search-registries = []\n[[registry]]\nlocation = 'registry.example'\n"
                "[aliases]\ndebian = ''\nalpine = 'quay.io/alpine'"
            ),
            parse(""),
        )
    )
    assert merged.search == ()
    assert merged.mode is ShortNameMode.ENFORCING
    assert merged.aliases == {"alpine": "quay.io/alpine"}
    assert not merged.tables["registry.example"].is_blocked
    assert len(merged.tables) == 3


@pytest.mark.parametrize(
    ("prefix", "name", "length"),
    [
        ("a.io", "a.io/x:1", 4),
        ("a.io", "a.io.evil/x:1", 0),
        ("a.io", "a.io:5000/x:1", 4),
        ("a.io/x", "a.io/x:1", 6),
        ("a.io/x", "a.io/xy:1", 0),
        ("a.io/x:1", "a.io/x:1", 8),
        ("a.io/x:1", "a.io/x:10", 0),
        ("*.a.io", "b.c.a.io/x", 8),
        ("*.a.io", "b.a.io:5000/x", 11),
        ("*.a.io", "a.io/x", 0),
        ("*.a.io", "evil-a.io/x", 0),
        ("*.a.io", "evil.io/b.a.io/x", 0),
    ],
)
def test_a_prefix_ends_where_a_part_of_the_name_ends(prefix: str, name: str, length: int) -> None:
    assert RegistryTable(prefix, Place("")).match_length(name) == length


def test_the_longest_prefix_wins() -> None:
    conf = parse(
        "[[registry]]\nlocation = 'a.io'\n[[registry]]\nlocation = 'a.io/x'\n"
        "[[registry]]\nprefix = '*.io'\n"
    )
    assert conf.table_for("a.io/x/y:1") == conf.tables["a.io/x"]
    assert conf.table_for("b.a.io/x/y:1") == conf.tables["*.io"]
    assert conf.table_for("a.com/x") is None


def test_a_host_is_insecure_only_if_every_place_on_it_is() -> None:
    conf = parse(
        "[[registry]]\nlocation = 'a.io'\ninsecure = true\n"
        "[[registry]]\nprefix = 'b.io'\nlocation = 'c.io/x'\ninsecure = true\n"
        "[[registry.mirror]]\nlocation = 'd.io/one'\ninsecure = true\n"
        "[[registry.mirror]]\nlocation = 'd.io/two'\n"
    )
    hosts = ("a.io", "b.io", "c.io", "d.io", "e.io")
    assert [host for host in hosts if conf.is_insecure(host)] == ["a.io", "c.io"]
    wildcard = parse("[[registry]]\nprefix = '*.a.io'\ninsecure = true")
    assert wildcard.is_insecure("b.a.io:5000")
    assert not wildcard.is_insecure("a.io")
    part = parse("[[registry]]\nlocation = 'a.io/x'\ninsecure = true")
    assert part.is_insecure("a.io")
