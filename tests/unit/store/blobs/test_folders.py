"""The folders of a store beside its blobs."""

from __future__ import annotations

from store.blobs.folders import DOWNLOADS, QUARANTINE
from store.workspace import root_folder


def test_a_store_knows_the_folders_as_its_own() -> None:
    assert {DOWNLOADS, QUARANTINE} <= set(root_folder.FOLDERS)
