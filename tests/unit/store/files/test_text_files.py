"""Text files from any system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidInput
from store.files import text_files
from store.files.text_files import read_text_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("data", [b"one\ntwo\n", b"\xef\xbb\xbfone\r\ntwo\r\n", b"one\r\ntwo\n"])
def test_windows_files_are_read_like_others(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert read_text_file(path) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        ("one".encode("utf-16"), "it is UTF-16 text"),
        (b"\xfe\xff\0o", "it is UTF-16 text"),
        (b"caf\xe9", "expected UTF-8 text"),
        (b"x" * 11, "larger than 10 bytes"),
    ],
)
def test_other_files_are_called_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, fact: str
) -> None:
    monkeypatch.setattr(text_files, "MAX_TEXT_BYTES", 10)
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=fact) as caught:
        read_text_file(path)
    assert str(path) in caught.value.message
