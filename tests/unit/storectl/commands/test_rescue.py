from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Runner
from tests.support.images import A, image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "app.tar"
    archive.write_bytes(image(A, tags=("app:1",)).bytes())
    runner("import", "-q", str(archive))
    return runner


def test_a_rescue_says_what_it_found(storectl: Runner) -> None:
    (storectl.root / "store.db").write_bytes(b"")
    tried = storectl("rescue", "--dry-run").splitlines()
    assert tried[0] == "Would rescue: 1 image(s), 1 tag(s), 1 manifest(s), 1 layer(s)"
    done = storectl("rescue").splitlines()
    assert done[0] == "Rescued: 1 image(s), 1 tag(s), 1 manifest(s), 1 layer(s)"
    assert done[1].startswith("The documents were last recorded at ")
    assert done[2].startswith("The old catalogue is in quarantine/")
    assert "app" in storectl("images")


def test_a_rescue_says_what_is_lost(storectl: Runner) -> None:
    (storectl.root / "store.db").unlink()
    (storectl.root / "documents" / "log.zst").unlink()
    out = storectl("rescue", code=5).splitlines()
    assert out[0].startswith("lost: log documents/log.zst: there is no copy of the documents")
    assert out[1].startswith("Rescued: 0 image(s)")
    assert out[2].startswith("Unknown: 1 file(s), ")


def test_errors_of_a_lost_catalogue_name_the_rescue(storectl: Runner) -> None:
    (storectl.root / "store.db").unlink()
    storectl("images", code=5)
    assert "storectl rescue" in storectl.err
    assert "storectl restore" in storectl.err
