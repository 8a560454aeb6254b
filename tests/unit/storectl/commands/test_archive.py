"""The archive that `save` writes: its compression, checksum and size."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import exporter
from store.model.progress import Silent
from storectl.commands._archive import Written, codec_of, report, write_archive
from tests.support.images import A
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


@pytest.mark.parametrize(
    ("name", "compress", "want"),
    [
        ("x.tar", None, None),
        ("x.tar.gz", None, "gzip"),
        ("X.TGZ", None, "gzip"),
        ("x.tar.zst", None, "zstd"),
        ("x.tzst", None, "zstd"),
        ("x.gz", None, "gzip"),
        ("x.zst", None, "zstd"),
        ("gz", None, None),
        ("x.tar", "zstd", "zstd"),
        ("x.tar", "none", None),
        ("x.tar.gz", "gzip", "gzip"),
    ],
)
def test_the_name_decides_the_compression(
    name: str, compress: str | None, want: str | None
) -> None:
    assert codec_of(Path("folder.tar.gz") / name, compress) == want


@pytest.mark.parametrize(("name", "compress"), [("x.tgz", "none"), ("x.tar.zst", "gzip")])
def test_a_contradiction_is_refused(name: str, compress: str) -> None:
    with pytest.raises(click.UsageError):
        codec_of(Path(name), compress)
    assert codec_of(None, "none") is None


@pytest.mark.parametrize("compress", [None, "none", "gzip"])
@pytest.mark.parametrize("name", ["x.tar.bz2", "x.txz", "X.ZIP", "x.tar.lz4", "x.7z"])
def test_a_name_of_a_form_that_is_not_written_is_refused(name: str, compress: str | None) -> None:
    with pytest.raises(click.UsageError, match="its name means"):
        codec_of(Path(name), compress)


@pytest.mark.parametrize("codec", [None, "gzip", "zstd"])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("mode", ["wb", "w+b", "memory"])
def test_the_size_and_the_checksum_are_those_of_the_output(
    store: Store, tmp_path: Path, codec: str | None, checksum: bool, mode: str
) -> None:
    put_image(store, A, tags=("x:1",))
    path = tmp_path / "out"
    with exporter.open_save(store, ["x:1"]) as export:
        if mode == "memory":
            memory = io.BytesIO()
            written = write_archive(export, memory, codec, Silent(), checksum=checksum)
            data = memory.getvalue()
        else:
            with path.open(mode, buffering=0) as file:
                written = write_archive(export, file, codec, Silent(), checksum=checksum)  # type: ignore[arg-type]
            data = path.read_bytes()
    assert written.size_bytes == len(data)
    assert written.sha256 == (hashlib.sha256(data).hexdigest() if checksum else None)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report(Written(5_000), "x.tar", quiet=False)
    assert capsys.readouterr() == ("", "")
    report(Written(5_000, "abc"), "x.tar", quiet=True)
    assert capsys.readouterr() == ("abc  x.tar\n", "")
    report(Written(5_000, "abc"), None, quiet=True)
    assert capsys.readouterr() == ("", "abc  -\n")
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    report(Written(5_000), "x.tar", quiet=False)
    report(Written(5_000), "-", quiet=False)
    report(Written(5_000), "x.tar", quiet=True)
    assert screen.getvalue() == "Saved 5kB to x.tar\nSaved 5kB to standard output\n"
