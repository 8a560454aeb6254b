"""Claims of Docker archives with ``manifest.json``."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from store.errors import InvalidArchive, InvalidDocument, InvalidReference, MissingMember
from store.formats.archives.docker import (
    check_parents,
    checked_tag,
    claim,
    display_name,
    member_name,
    missing,
    refuse_cycles,
    usable_tags,
)
from store.formats.archives.validation import raise_faults
from store.formats.image.config import HistoryDigests
from store.model.digests import ImageID
from store.model.limits import DEFAULT_LIMITS
from tests.support.images import A, B, config, digest
from tests.support.layouts import encode
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from store.formats.archives.claims import ArchiveClaim
    from store.formats.image.config import ImageConfig


def claimed(
    *entries: dict[str, Any], no_images: tuple[str, ...] = (), **files: bytes
) -> ArchiveClaim:
    files = {"manifest.json": encode(list(entries)), **files}
    found = claim(
        MemoryFiles(
            {name.replace("_json", ".json"): data for name, data in files.items()}
        ).document,
        DEFAULT_LIMITS,
        no_images=no_images,
    )
    raise_faults(found)
    return found


def entry(name: str, *layers: str, **members: object) -> dict[str, Any]:
    return {"Config": name, "RepoTags": [f"{name}:1"], "Layers": list(layers), **members}


def history(*steps: str) -> list[dict[str, str]]:
    return [{"created": "2020-01-01T00:00:00Z", "created_by": step} for step in steps]


def test_an_entry_becomes_an_image_with_its_paths_and_names() -> None:
    found = claimed(entry("c", "l", "m"), c=config(A, B))
    (image,) = found.images
    assert [str(diff) for diff in image.config.diff_ids] == [digest(A), digest(B)]
    assert (image.layers, image.tags, image.parent) == (("l", "m"), ("c:1",), None)
    assert image.listed
    assert found.notes == ()
    assert found.graph.roots == ()


def test_entries_of_configs_that_are_not_images_are_skipped() -> None:
    found = claimed(entry("./x/../c", "l"), entry("d", "l"), no_images=("c",), d=config(A))
    assert [image.tags for image in found.images] == [("d:1",)]


def test_a_missing_config_is_refused_with_the_name_of_the_image() -> None:
    with pytest.raises(MissingMember, match="the config of gone:1 is not in the archive") as caught:
        claimed(entry("gone", "l"))
    assert caught.value.member == "gone"
    with pytest.raises(MissingMember, match="the config of an image without a name"):
        claimed({"Config": "gone", "RepoTags": None, "Layers": []})


def test_a_config_with_another_number_of_layers_is_refused() -> None:
    with pytest.raises(InvalidDocument, match=r"layers length mismatch for .*: expected 2, got 1"):
        claimed(entry("c", "l", "m"), c=config(A))


def test_more_layers_than_docker_loads_are_noted_once() -> None:
    deep = entry("c", *["l"] * 126)
    found = claimed(deep, {**deep, "RepoTags": ["other:1"]}, c=config(*[A] * 126))
    assert len(found.notes) == 1
    assert "126 layers; Docker loads at most 125" in found.notes[0]


def test_a_parent_of_the_same_archive_is_kept_and_any_other_is_ignored() -> None:
    parent = config(A, history=history("one"))
    child = config(A, B, history=history("one", "two"))
    found = claimed(entry("p", "l"), entry("c", "l", "m", Parent=digest(parent)), p=parent, c=child)
    assert str(found.images[1].parent) == digest(parent)
    for other in (digest(b"elsewhere"), "nonsense", digest(child)):
        alone = claimed(entry("c", "l", "m", Parent=other), c=child)
        assert alone.images[0].parent is None


def test_a_parent_with_another_history_is_refused() -> None:
    parent = config(A, history=history("one"))
    child = config(A, B, history=history("other", "two"))
    found = claimed(entry("p", "l"), entry("c", "l", "m", Parent=digest(parent)), p=parent, c=child)
    with pytest.raises(InvalidDocument, match="is not a valid parent for"):
        check_parents(found.images)


def test_the_history_of_a_config_is_parsed_once_for_all_parents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent, child = config(), config(os="x")
    parsed: list[ImageConfig] = []
    of = HistoryDigests.of

    def counted(one: ImageConfig) -> HistoryDigests:
        parsed.append(one)
        return of(one)

    monkeypatch.setattr(HistoryDigests, "of", counted)
    with_parent = entry("c", Parent=digest(parent))
    found = claimed(entry("p"), *[with_parent] * 50, p=parent, c=child)
    assert len(found.images) == 51
    check_parents(found.images)
    assert len(parsed) == 2


def test_cycles_of_parents_are_refused() -> None:
    one, two, three = (ImageID.of(name) for name in (b"1", b"2", b"3"))
    refuse_cycles({one: two, three: two})
    for parents in ({one: one}, {one: two, two: one}, {three: one, one: two, two: one}):
        with pytest.raises(InvalidArchive, match="form a cycle"):
            refuse_cycles(parents)


def test_a_long_chain_of_parents_needs_no_recursion() -> None:
    ids = [ImageID.of(str(number).encode()) for number in range(5000)]
    refuse_cycles(dict(itertools.pairwise(ids)))


def test_only_layer_sources_with_urls_are_foreign() -> None:
    sources = {
        digest(A): {"urls": ["https://example.org/a"], "size": 3},
        digest(B): {"size": 4},
    }
    (image,) = claimed(entry("c", "l", "m", LayerSources=sources), c=config(A, B)).images
    assert {str(diff): data for diff, data in image.sources.items()} == {
        digest(A): b'{"size":3,"urls":["https://example.org/a"]}'
    }
    with pytest.raises(InvalidDocument, match="LayerSources: invalid digest 'x'"):
        claimed(entry("c", "l", LayerSources={"x": {"urls": ["u"]}}), c=config(A))


def test_a_name_needs_a_tag_or_a_digest() -> None:
    assert checked_tag("app:1") == "app:1"
    assert checked_tag(f"app@{digest(A)}") == f"app@{digest(A)}"
    for text in ("app", "team/app"):
        with pytest.raises(InvalidReference, match="invalid tag"):
            checked_tag(text)
    assert usable_tags(["a:1", "b", "C:1"]) == (("a:1",), ("b", "C:1"))


def test_an_entry_without_a_config_is_a_broken_image() -> None:
    with pytest.raises(InvalidDocument, match="image 1 has no Config"):
        claimed(entry("c", "l"), {}, c=config(A))
    # imgpkg has a manifest.json of its own (pkg/imgpkg/imagedesc).
    with pytest.raises(InvalidDocument) as caught:
        claimed({"Image": {"Refs": ["example.org/bundle@sha256:0"], "Layers": []}})
    assert "let imgpkg copy its images" in (caught.value.hint or "")


def test_a_broken_image_does_not_break_the_others() -> None:
    files = {"c": config(A), "d": b"[", "manifest.json": b""}
    entries = [entry("c", "l"), entry("d", "l"), entry("c", "l", "m"), entry("gone", "l")]
    files["manifest.json"] = encode(entries)
    found = claim(MemoryFiles(files).document, DEFAULT_LIMITS)
    assert [image.tags for image in found.images] == [("c:1",)]
    assert [(image.path, image.tags) for image in found.broken] == [
        ("d", ("d:1",)),
        ("c", ("c:1",)),
        ("gone", ("gone:1",)),
    ]
    assert [image.config is None for image in found.broken] == [True, False, True]


def test_names_and_paths_in_messages() -> None:
    (named, unnamed) = claimed(
        entry("c", "l"), {"Config": "c", "RepoTags": None, "Layers": ["l"]}, c=config(A)
    ).images
    assert display_name(named) == "c:1"
    assert display_name(unnamed) == digest(config(A))
    assert member_name("./a/../l") == "l"
    assert member_name("/l") == "l"


def test_missing_lists_the_layers_that_are_not_available() -> None:
    (image,) = claimed(entry("c", "l", "m"), c=config(A, B)).images
    found = missing([image], lambda diff: str(diff) == digest(A))
    assert [(name, position, str(diff)) for name, position, diff in found] == [
        ("c:1", 1, digest(B))
    ]
