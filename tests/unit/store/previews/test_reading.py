"""Claims that are read as an import reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from store import Choice
from store.model.limits import DEFAULT_LIMITS
from store.previews.reading import read_claim
from tests.support.images import A
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    import pytest

GOLDEN = Path(__file__).parents[3] / "golden"


def refuse() -> Path:
    raise AssertionError("a file was written")


def test_the_claim_of_an_archive_and_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.importing.staging.Stager", None)
    with read_claim(GOLDEN / "multi-layer.tar", DEFAULT_LIMITS, Choice(), refuse) as read:
        (image,) = read.claim.images
        assert all(read.members.exists(path or "") for path in image.layers)


def test_a_layout_needs_none_of_its_layers(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, "x:1")
    folder = layout.folder(tmp_path / "layout")
    for path in (folder / "blobs" / "sha256").iterdir():
        if not path.read_bytes().startswith(b"{"):
            path.unlink()
    with read_claim(folder, DEFAULT_LIMITS, Choice(), refuse) as read:
        assert len(read.claim.graph.configs) == 1
