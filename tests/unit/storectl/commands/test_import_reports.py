"""What `import` prints about an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.importing.report import ImportReport
from storectl.commands._import_reports import ArchiveResult, counts

if TYPE_CHECKING:
    import pytest

REPORT = ImportReport(
    images=(),
    tags=(),
    lines=("Loaded image: x:1",),
    notes=(),
    changed=True,
    new_images=1,
    new_layers=2,
    new_bytes=1500,
    read_bytes=3,
)


def test_a_dry_run_says_what_would_be_stored(capsys: pytest.CaptureFixture[str]) -> None:
    result = ArchiveResult(REPORT, is_dry_run=True)
    result.show(quiet=False)
    out, err = capsys.readouterr()
    assert (out, err) == (
        "Would load image: x:1\n",
        "1 new image(s), 2 new layer(s), 1.5kB would be stored\n",
    )
    assert result.as_json("a.tar")["Source"] == "a.tar"
    assert result.losses == 0


def test_numbers_have_units() -> None:
    assert counts(REPORT) == "1 new image(s), 2 new layer(s), 1.5kB"
