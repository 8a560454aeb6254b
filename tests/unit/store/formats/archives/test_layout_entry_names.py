"""Names in the annotations of index.json, with tags, digests or both."""

from __future__ import annotations

import pytest

from store.formats.archives.layout_entry_names import EntryNames, names_of_entry, settled_name
from store.model.digests import Digest
from store.model.references import Reference

DIGEST = Digest.of(b"content")
OTHER = Digest.of(b"other")
FULL = "io.containerd.image.name"
REF = "org.opencontainers.image.ref.name"
SOURCE = "containerd.io/distribution.source."


def names(**annotations: str) -> tuple[tuple[str, ...], str, int]:
    """Return the names, the bare tag and the number of unusable names."""
    keys = {"full": FULL, "ref": REF}
    found = names_of_entry({keys[key]: value for key, value in annotations.items()}, DIGEST)
    return found.names, found.bare, len(found.unusable)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("docker.io/demo/app:1", ("docker.io/demo/app:1",)),
        ("docker.io/demo/app", ("docker.io/demo/app:latest",)),
        (f"docker.io/demo/app@{DIGEST}", (f"docker.io/demo/app@{DIGEST}",)),
        (f"docker.io/demo/app:1@{DIGEST}", ("docker.io/demo/app:1",)),
        (f"index.docker.io/app:1@{DIGEST}", ("docker.io/library/app:1",)),
    ],
)
def test_a_name_has_a_tag_or_the_digest_of_its_entry(text: str, want: tuple[str, ...]) -> None:
    assert names(full=text) == (want, "", 0)
    assert names(full=text, ref="ignored") == (want, "", 0)
    assert names(ref=text) == (want, "", 0)


@pytest.mark.parametrize("text", [f"docker.io/demo/app@{OTHER}", f"docker.io/demo/app:1@{OTHER}"])
def test_a_name_with_another_digest_is_unusable(text: str) -> None:
    assert names(full=text) == ((), "", 1)
    assert names(ref=text) == ((), "", 1)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1", ("1", 0)),
        (f"1@{DIGEST}", ("1", 0)),
        (f"@{DIGEST}", ("", 0)),
        (f"1@{OTHER}", ("", 1)),
        ("1@", ("", 1)),
        (".1", ("", 1)),
    ],
)
def test_a_reference_without_a_repository_is_a_tag(text: str, want: tuple[str, int]) -> None:
    found, bare, notes = names(ref=text)
    assert found == ()
    assert (bare, notes) == want


def test_repositories_of_the_source_hold_the_digest() -> None:
    given = {
        f"{SOURCE}docker.io": "library/app,,demo/app",
        f"{SOURCE}reg.example:5000": "team/app",
        f"{SOURCE}bad": "UPPER,team/app:1",
        f"{SOURCE}long.example": "a" * 5000,
        FULL: "docker.io/demo/other:1",
    }
    assert names_of_entry(given, DIGEST) == EntryNames(
        (
            "docker.io/demo/other:1",
            f"docker.io/library/app@{DIGEST}",
            f"docker.io/demo/app@{DIGEST}",
            f"reg.example:5000/team/app@{DIGEST}",
        ),
        unusable=("bad/UPPER", "bad/team/app:1"),
    )


def test_a_name_is_settled_by_any_of_several_digests() -> None:
    both = Reference.parse(f"app:1@{OTHER}")
    assert settled_name(both, {DIGEST, OTHER}) == Reference.parse("app:1")
    assert settled_name(both, {DIGEST}) is None
