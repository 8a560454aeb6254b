from __future__ import annotations

import pytest

from store.errors import InvalidDigest, InvalidReference
from store.model.references import Reference, Repository, is_tag

DIGEST = "sha256:" + "ab" * 32


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
def test_the_short_form_reads_back_as_the_same_reference(text: str, familiar: str) -> None:
    name = Reference.parse(text)
    assert name.familiar == familiar
    assert Reference.parse(name.familiar) == name


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("debian", "docker.io/library/debian"),
        ("index.docker.io/debian", "docker.io/library/debian"),
        ("team/app:1", "docker.io/team/app:1"),
        ("localhost/app", "localhost/app"),
        ("localhost:5000/app", "localhost:5000/app"),
        ("example.com/a/b__c:T_1.2", "example.com/a/b__c:T_1.2"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}"),
    ],
)
def test_names_are_completed_as_docker_does(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:",
        "a b",
        "-a",
        "a/",
        "/a",
        "Debian",
        "example.com/App:1",
        "exa_mple.com:80/app",
        "a:" + "t" * 129,
        "n" * 256,
        "ab" * 32,
        "a\x1b[2J",
    ],
)
def test_other_text_is_refused_with_the_text(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert caught.value.text == text
    assert "\x1b" not in caught.value.message


def test_a_digest_of_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(InvalidDigest):
        Reference.parse("a@md5:" + "ab" * 16)


def test_a_missing_tag_stays_missing_until_it_is_asked_for() -> None:
    bare = Reference.parse("debian")
    assert bare.is_name_only
    assert bare.with_default_tag().tag == "latest"
    by_digest = Reference.parse(f"debian@{DIGEST}")
    assert by_digest.with_default_tag() == by_digest


@pytest.mark.parametrize("text", ["debian:12", f"debian@{DIGEST}"])
def test_a_repository_has_neither_tag_nor_digest(text: str) -> None:
    with pytest.raises(InvalidReference):
        Repository.parse(text)
    assert Repository.parse("debian") == Repository("docker.io", "library/debian")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("1", True),
        ("_a.b-c", True),
        ("t" * 128, True),
        ("t" * 129, False),
        (".a", False),
        ("", False),
    ],
)
def test_tags_follow_the_grammar(text: str, *, fits: bool) -> None:
    assert is_tag(text) is fits


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the name is empty"),
        ("docker://debian", "it is a URL: leave out 'docker://'"),
        ("https://r.io/Debian:1", "it is a URL: leave out 'https://'"),
        ("./app.tar", "it is a path"),
        ("../app", "it is a path"),
        ("/app", "it is a path"),
        ("~/app", "it is a path"),
        ("team app:1", "it has a space"),
        ("team/*", "it has a wildcard"),
        ("Debian", "repository name must be lowercase"),
        ("app:", "the tag is empty"),
        ("r.io/app:" + "a" * 129, "a tag has at most 128 characters, not 129"),
        ("app:-1", "a tag has only letters, digits, '_', '.' and '-', and begins with none of"),
        ("app@sha256:12ab", "a sha256 digest has 64 hexadecimal digits, not 4"),
        ("app@sha256:" + "g" * 64, "a digest has only the digits 0-9 and a-f"),
        ("app@md5:12", "a digest has the form sha256:HEX"),
        ("app@", "a digest has the form sha256:HEX"),
        (":1", "a part of the name is empty"),
        ("team//app", "a part of the name is empty"),
        ("team/", "a part of the name is empty"),
        ("r.io:port/app", "the port 'port' of the registry is not a number"),
        ("gr\u00fcn:1", "a name cannot have the character '\u00fc'"),
        ("a\x1bb", "a name cannot have the character '\\\\x1b'"),
        ("-app", "'.', '_' and '-' stand only between letters and digits"),
        ("a..b", "'.', '_' and '-' stand only between letters and digits"),
    ],
)
def test_the_error_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert caught.value.message.startswith(f"invalid reference format: {reason}")
