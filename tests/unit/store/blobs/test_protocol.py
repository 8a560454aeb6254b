"""Modules that use a blob store call only the methods of its protocol.

The behaviour of the stores themselves is tested in ``tests/contracts/test_blob_store.py``.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from store.blobs.directory import DirectoryBlobs
from store.blobs.memory import MemoryBlobs
from store.blobs.open_file import OpenFile
from store.blobs.protocol import BlobStore, OpenBlob

ROOT = Path(__file__).parents[4]
FOLDER_ONLY = {"path", "digests"}
"""Methods that only `DirectoryBlobs` has, for tools that work on the files of a folder."""


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def used_attributes(path: Path) -> set[tuple[str, int]]:
    return {
        (node.attr, node.lineno)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }


def test_implementations_offer_the_protocol_and_only_the_folder_more() -> None:
    assert public(MemoryBlobs) == public(BlobStore)
    assert public(DirectoryBlobs) == public(BlobStore) | FOLDER_ONLY
    assert public(OpenFile) == public(OpenBlob)


@pytest.mark.parametrize("implementation", [MemoryBlobs, DirectoryBlobs])
def test_parameters_have_the_names_of_the_protocol(implementation: type) -> None:
    for name in public(BlobStore):
        wanted = getattr(BlobStore, name)
        if callable(wanted):
            given = inspect.signature(getattr(implementation, name)).parameters
            assert list(given) == list(inspect.signature(wanted).parameters)


def test_the_library_uses_no_method_that_only_the_folder_has() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip()}"
        for package in ("store", "exporter", "mirror", "storectl")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.parent != ROOT / "store/blobs"
        for line, text in enumerate(path.read_text().splitlines(), 1)
        if any(f"blobs.{name}(" in text for name in FOLDER_ONLY)
    ]
    assert found == []


@pytest.mark.parametrize("package", ["store/content", "store/registry", "exporter/selection"])
def test_blobs_are_not_asked_for_descriptors(package: str) -> None:
    """No module calls ``fileno`` on a blob, because a blob in memory has no file descriptor."""
    found = [
        f"{path.name}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name, line in used_attributes(path)
        if name == "fileno"
    ]
    assert found == []
