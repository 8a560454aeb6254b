"""Blobs whose bytes do not have the digest in their path are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.model.digests import Digest
from store.model.progress import Silent
from store.registry_tree.checking import wrong_blobs
from store.registry_tree.disk import Tree

if TYPE_CHECKING:
    from tests.support.registry_trees import RegistryFiles


def test_wrong_blobs_are_told_from_right_and_absent_ones(files: RegistryFiles) -> None:
    right = Digest.parse(files.put(b"right"))
    long = Digest.parse(files.put(b"right too", "sha512"))
    wrong = Digest.parse(files.put(b"wrong"))
    files.blob(str(wrong)).write_bytes(b"other")
    linked = Digest.parse(files.put(b"linked"))
    files.blob(str(linked)).unlink()
    files.blob(str(linked)).symlink_to("/dev/zero")
    absent = Digest.of(b"absent")
    with Tree(files.folder) as tree:
        found, size = wrong_blobs(tree, (right, long, wrong, linked, absent), Silent())
    assert found == {wrong}
    assert size == len(b"right" + b"right too" + b"other")
