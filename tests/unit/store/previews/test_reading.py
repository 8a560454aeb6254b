"""Claims that are read as an import reads them."""

from __future__ import annotations

import os
from gzip import compress
from pathlib import Path
from typing import TYPE_CHECKING

from store import Choice
from store.model.limits import DEFAULT_LIMITS
from store.previews.reading import is_refused, read_claim
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


def test_what_an_import_refuses_is_known_before_its_layers_are_read(tmp_path: Path) -> None:
    def refused(path: Path, choice: Choice | None = None) -> bool:
        return is_refused(path, DEFAULT_LIMITS, choice or Choice())

    sound = GOLDEN / "multi-layer.tar"
    assert not refused(sound)
    assert refused(sound, Choice(images=("other:1",)))
    assert refused(tmp_path / "gone")
    assert refused(tmp_path)
    assert refused(Path("/dev/zero"))
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(compress(sound.read_bytes()))
    assert not refused(packed)
    packed.write_bytes(compress(b"<html>"))
    assert refused(packed)
    os.mkfifo(tmp_path / "pipe")
    assert not refused(tmp_path / "pipe")
