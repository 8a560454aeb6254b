"""The import of the layers of an image that has no manifest."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from store.errors import (
    DigestMismatch,
    InvalidArchive,
    MissingLayers,
    StoreError,
    TooLarge,
    UnsafePath,
)
from store.formats.archives import docker
from store.formats.archives.docker_v1 import V1Directory
from store.formats.compression.settings import FRAME_BYTES
from store.importing.archive import ArchiveInput
from store.importing.image_layers import stage_image_layers, stage_v1_layers
from store.model.digests import DiffID, Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.archive_members import ChosenHoldings, MemoryMembers
from tests.support.images import A, B, config, layer

if TYPE_CHECKING:
    from store.importing.staging import Staged, Stager

BIG = layer("big", random.Random(1).randbytes(FRAME_BYTES))
BIGGER = layer("bigger", random.Random(2).randbytes(FRAME_BYTES + 512))


def diff(data: bytes) -> DiffID:
    return DiffID(Digest.of(data))


def files(*images: list[tuple[str, bytes]]) -> dict[str, bytes]:
    """Return the JSON files of an archive; an image is given as the (path, bytes) of each layer."""
    found: dict[str, bytes] = {}
    entries = []
    for number, layers in enumerate(images):
        name = f"{number}.json"
        found[name] = config(*(data for _, data in layers), author=name)
        entries.append({"Config": name, "RepoTags": None, "Layers": [path for path, _ in layers]})
    found["manifest.json"] = json.dumps(entries).encode()
    return found


def stage(members: MemoryMembers, *held: bytes) -> dict[DiffID, Staged]:
    assert members.stager is not None
    holdings = ChosenHoldings({Digest.of(data) for data in held})
    claim = docker.claim(members.document, DEFAULT_LIMITS)
    return stage_image_layers(
        claim, ArchiveInput(members, members.stager, DEFAULT_LIMITS, holdings)
    )


def test_a_layer_that_the_store_has_is_resolved_and_not_read(stager: Stager) -> None:
    documents = files([("a", A), ("b", B)])
    members = MemoryMembers({**documents, "a": A, "b": B}, stager)
    assert set(stage(members, A)) == {diff(B)}
    assert members.staged == ["b"]
    assert "a" in members.resolved


def test_a_path_that_leaves_the_archive_is_refused_even_if_the_store_has_the_layer(
    stager: Stager,
) -> None:
    members = MemoryMembers(files([("../a", A)]), stager)
    with pytest.raises(UnsafePath):
        stage(members, A)


def test_a_chain_that_another_image_brought_is_not_read_again(stager: Stager) -> None:
    documents = files([("a", A), ("b", B)], [("copy", A), ("b2", B)])
    members = MemoryMembers({**documents, "a": A, "b": B}, stager)
    assert set(stage(members)) == {diff(A), diff(B)}
    assert members.staged == ["a", "b"]


def test_a_repeated_diff_in_another_chain_must_be_the_layer_if_its_file_exists(
    stager: Stager,
) -> None:
    documents = files([("a", A), ("again", A)])
    assert set(stage(MemoryMembers({**documents, "a": A}, stager))) == {diff(A)}
    with pytest.raises(DigestMismatch) as caught:
        stage(MemoryMembers({**documents, "a": A, "again": B}, stager))
    assert (caught.value.want, caught.value.got) == (diff(A), Digest.of(B))


def test_a_layer_that_only_a_later_path_has_is_not_missing(stager: Stager) -> None:
    documents = files([("gone", A), ("b", B), ("a", A)])
    assert set(stage(MemoryMembers({**documents, "a": A, "b": B}, stager))) == {diff(A), diff(B)}


def test_every_missing_layer_is_reported(stager: Stager) -> None:
    members = MemoryMembers({**files([("a", A), ("b", B)])}, stager)
    with pytest.raises(MissingLayers) as caught:
        stage(members)
    assert len(caught.value.missing) == 2


def test_a_layer_with_the_right_digest_need_not_be_a_tar(stager: Stager) -> None:
    junk = b"not a tar archive" * 100
    found = stage(MemoryMembers({**files([("junk", junk)]), "junk": junk}, stager))
    assert found[diff(junk)].problem is not None
    faults: dict[str, StoreError] = {}
    members = MemoryMembers({"0/layer.tar": junk}, stager)
    assert stage_v1_layers([V1Directory("0", b"{}", None)], members, faults) == {}
    assert isinstance(faults["0"], InvalidArchive)


def test_layers_without_a_path_are_held_or_listed_as_missing(stager: Stager) -> None:
    documents = files([("", B), ("", BIG), ("a", A)])
    members = MemoryMembers({**documents, "a": A}, stager)
    assert set(stage(members, B, BIG)) == {diff(A)}
    with pytest.raises(MissingLayers) as caught:
        stage(MemoryMembers({**documents, "a": A}, stager))
    assert str(diff(B)) in caught.value.message
    assert str(diff(BIG)) in caught.value.message


def test_large_layers_are_prefetched_the_largest_first(stager: Stager) -> None:
    documents = files([("small", A), ("big", BIG), ("bigger", BIGGER), ("gone", B)])
    present = {"small": A, "big": BIG, "bigger": BIGGER}
    members = MemoryMembers({**documents, **present}, stager)
    stage(members, B)
    assert members.prefetched == ["bigger", "big"]


def test_layers_of_the_oldest_archives_get_their_diff_ids(stager: Stager) -> None:
    members = MemoryMembers({"0/layer.tar": A, "1/layer.tar": B}, stager)
    directories = [V1Directory(name, b"{}", None) for name in ("0", "1")]
    faults: dict[str, StoreError] = {}
    found = stage_v1_layers([*directories, V1Directory("2", b"{}", None)], members, faults)
    assert list(faults) == ["2"]
    assert {name: diff_id for name, (diff_id, _) in found.items()} == {"0": diff(A), "1": diff(B)}


def test_no_layer_of_the_oldest_archives_is_read_after_one_beyond_a_ceiling(
    stager: Stager, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = MemoryMembers({}, stager)
    read: list[str] = []

    def layer(path: str) -> Staged:
        read.append(path)
        raise TooLarge("the layer is too large", limit=1)

    monkeypatch.setattr(members, "layer", layer)
    with pytest.raises(TooLarge):
        stage_v1_layers([V1Directory(name, b"{}", None) for name in ("0", "1")], members, {})
    assert read == ["0/layer.tar"]
