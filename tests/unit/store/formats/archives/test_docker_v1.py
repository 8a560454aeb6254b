"""Claims of archives that Docker before 1.10 saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import (
    InvalidArchive,
    MissingMember,
    StoreError,
    TooLarge,
)
from store.formats.archives.docker_v1 import claim, directories
from store.model.digests import DiffID
from store.model.limits import DEFAULT_LIMITS, Limits
from tests.support.images import digest
from tests.support.layouts import encode
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from store.formats.archives.claims import ArchiveClaim
    from store.formats.archives.docker_v1 import V1Directory


def ordered(**parents: str | None) -> tuple[V1Directory, ...]:
    """Return an archive's image directories; ``parents`` maps each name to its parent's name."""
    files = {
        f"{name}/json": encode({} if parent is None else {"parent": parent})
        for name, parent in parents.items()
    }
    faults: dict[str, StoreError] = {}
    found = directories(tuple(parents), MemoryFiles(files).document, DEFAULT_LIMITS, faults)
    for error in faults.values():
        raise error
    return found


def refused(name: str) -> None:
    """Raise the error of a directory without files."""
    faults: dict[str, StoreError] = {}
    assert directories((name,), MemoryFiles({}).document, DEFAULT_LIMITS, faults) == ()
    raise faults[name]


def claimed(
    repositories: object, limits: Limits = DEFAULT_LIMITS, **documents: dict[str, object]
) -> ArchiveClaim:
    """Return the claim of an archive with one image directory for each of ``documents``."""
    files = {f"{name}/json": encode(document) for name, document in documents.items()}
    if repositories is not None:
        files["repositories"] = encode(repositories)
    read = MemoryFiles(files).document
    diffs = {name: DiffID.parse(digest(name.encode())) for name in documents}
    return claim(directories(tuple(documents), read, limits, {}), diffs, read, limits)


def test_each_directory_comes_after_its_parent() -> None:
    found = ordered(top="middle", middle="base", base=None, other="base")
    assert [step.name for step in found] == ["base", "middle", "top", "other"]
    assert [step.parent for step in found] == [None, "base", "middle", "base"]
    assert found[0].layer == "base/layer.tar"


def test_a_directory_without_json_is_refused() -> None:
    with pytest.raises(MissingMember, match="the directory 'x' has no json") as caught:
        refused("x")
    assert caught.value.member == "x/json"


def test_a_parent_that_is_not_in_the_archive_is_refused() -> None:
    for parent in ("gone", "../x", "..", ".", "a/b", "/../../y"):
        with pytest.raises(MissingMember) as caught:
            ordered(x=parent)
        assert caught.value.member == "x/json"
        assert repr(parent) in caught.value.message


@pytest.mark.parametrize(
    "parents", [{"x": "x"}, {"x": "y", "y": "x"}, {"a": "x", "x": "y", "y": "x"}]
)
def test_cycles_of_parents_are_refused(parents: dict[str, str]) -> None:
    with pytest.raises(InvalidArchive, match="form a cycle"):
        ordered(**parents)


@pytest.mark.parametrize(
    "text", ["base/", "./base", "/base", "//base", "/../base", "x/../base", "base/."]
)
def test_a_parent_may_be_written_as_a_path(text: str) -> None:
    found = ordered(top=text, base=None)
    assert [(step.name, step.parent) for step in found] == [("base", None), ("top", "base")]
    images = claimed({"app": {"1": text}}, top={"parent": text}, base={}).images
    assert [image.tags for image in images] == [("app:1",), ()]


def test_a_name_spells_a_directory_as_the_archive_or_a_parent_does() -> None:
    made = claimed({"app": {"1": "./base", "2": "base/"}}, top={"parent": "base/"}, base={})
    assert [image.tags for image in made.images] == [("app:2",), ()]
    assert [image.tags for image in made.broken] == [("app:1",)]


def test_a_parent_may_lie_in_any_folder_of_the_archive() -> None:
    files = {"top/json": encode({"parent": "a/b"}), "a/b/json": encode({"parent": "."})}
    files["json"] = encode({})
    found = directories(("top",), MemoryFiles(files).document, DEFAULT_LIMITS, {})
    assert [(step.name, step.layer) for step in found] == [
        (".", "layer.tar"),
        ("a/b", "a/b/layer.tar"),
        ("top", "top/layer.tar"),
    ]


def test_a_config_has_the_layers_and_the_history_of_all_ancestors() -> None:
    found = claimed(
        {"app": {"1": "top"}}, base={"comment": "b"}, top={"parent": "base", "comment": "t"}
    )
    base, top = found.images
    assert [str(diff) for diff in top.config.diff_ids] == [digest(b"base"), digest(b"top")]
    assert [step.comment for step in top.config.history] == ["b", "t"]
    assert (top.layers, top.parent) == ((None, "top/layer.tar"), base.config.image_id)
    assert (base.layers, base.parent) == (("base/layer.tar",), None)


def test_an_image_is_listed_when_it_is_not_a_parent_or_has_a_name() -> None:
    def listed(repositories: object) -> list[bool]:
        found = claimed(repositories, base={}, top={"parent": "base"})
        return [image.listed for image in found.images]

    assert listed({}) == [False, True]
    assert listed({"app": {"1": "base"}}) == [True, True]


def test_names_are_sorted_and_a_tag_replaces_that_of_the_name() -> None:
    found = claimed({"b": {"2": "x", "1": "x"}, "a:9": {"1": "x"}}, x={})
    assert found.images[0].tags == ("a:1", "b:1", "b:2")


def test_equal_directories_are_one_image_with_the_tags_of_both() -> None:
    same = {"os": "linux"}
    files = {"x/json": encode(same), "y/json": encode(same)}
    files["repositories"] = encode({"n": {"1": "x", "2": "y"}})
    read = MemoryFiles(files).document
    diff = DiffID.parse(digest(b"same"))
    found = claim(
        directories(("x", "y"), read, DEFAULT_LIMITS, {}),
        {"x": diff, "y": diff},
        read,
        DEFAULT_LIMITS,
    )
    assert [(image.layers, image.tags) for image in found.images] == [
        (("x/layer.tar",), ("n:1", "n:2"))
    ]


def test_a_name_of_an_unknown_directory_is_a_broken_image() -> None:
    (image,) = claimed({"app": {"1": "gone"}}, x={}).broken
    assert image.tags == ("app:1",)
    assert "invalid target ID 'gone' of app:1" in image.error.message
    with pytest.raises(MissingMember):
        claimed(None, x={})


def test_names_that_docker_could_not_write_are_kept_apart() -> None:
    (image,) = claimed({"app": {"x y": "x", "2": "x"}, "App": {"1": "x"}}, x={}).images
    assert image.tags == ("app:2",)
    assert image.unusable == ("App:1", "app:x y")


def test_only_the_descendants_of_a_broken_directory_are_broken() -> None:
    files = {"good/json": b"{}", "bad/json": b"[", "top/json": encode({"parent": "bad"})}
    files["repositories"] = encode({"app": {"good": "good", "top": "top"}})
    read = MemoryFiles(files).document
    faults: dict[str, StoreError] = {}
    found = directories(("bad", "good", "top"), read, DEFAULT_LIMITS, faults)
    assert [step.name for step in found] == ["good"]
    diffs = {"good": DiffID.parse(digest(b"good"))}
    made = claim(found, diffs, read, DEFAULT_LIMITS, faults)
    assert [image.tags for image in made.images] == [("app:good",)]
    assert [(image.path, image.tags) for image in made.broken] == [
        ("bad/json", ()),
        ("top/json", ("app:top",)),
    ]


def test_an_image_on_a_layer_that_cannot_be_read_is_broken() -> None:
    files = {"base/json": b"{}", "top/json": encode({"parent": "base"}), "repositories": b"{}"}
    read = MemoryFiles(files).document
    faults: dict[str, StoreError] = {}
    found = directories(("base", "top"), read, DEFAULT_LIMITS, faults)
    faults["base"] = InvalidArchive("no layer")
    made = claim(found, {"top": DiffID.parse(digest(b"top"))}, read, DEFAULT_LIMITS, faults)
    assert [image.error.message for image in made.broken] == ["no layer", "no layer"]


def test_the_configs_have_a_ceiling_together() -> None:
    chain: dict[str, dict[str, object]] = {"n0": {}}
    for number in range(1, 20):
        chain[f"n{number}"] = {"parent": f"n{number - 1}"}
    with pytest.raises(TooLarge, match="together have more than 9000 bytes") as caught:
        claimed({}, Limits(documents_bytes=9000), **chain)
    assert caught.value.limit == 9000
