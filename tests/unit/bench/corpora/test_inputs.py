from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.corpora import inputs
from bench.corpora.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Shop:
    """A cache that returns the paths of inputs and creates no files."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.quick = quick
        self._folder = folder

    def cached(self, name: str, _make: Callable[[Path], None]) -> Path:
        return self._folder / name


def of(folder: Path, *, quick: bool) -> Inputs:
    shop: Any = Shop(folder, quick=quick)
    return Inputs(shop)


@pytest.mark.parametrize("name", ["real", "real_outer_gzip", "huge_layer", "family", "noise"])
def test_inputs_of_a_quick_run_have_names_of_their_own(name: str, tmp_path: Path) -> None:
    paths = {getattr(of(tmp_path, quick=quick), name)() for quick in (True, False)}
    assert len(paths) == 2


def test_documents_of_a_layout_are_not_layers(tmp_path: Path) -> None:
    blobs = tmp_path / "quick-real-gzip" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (blobs / "manifest").write_bytes(bytes(500))
    (blobs / "layer").write_bytes(bytes(inputs._DOCUMENT_BYTES + 1))
    assert of(tmp_path, quick=True).oci_blobs("gzip") == [blobs / "layer"]
