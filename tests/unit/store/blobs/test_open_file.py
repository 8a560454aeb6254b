from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from store.blobs.open_file import OpenFile
from store.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def blob(tmp_path: Path) -> Iterator[OpenFile]:
    path = tmp_path / "blob"
    path.write_bytes(b"0123456789")
    with OpenFile(path.open("rb", buffering=0), path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("call", "ask"),
    [
        ("fstat", lambda blob: blob.size),
        ("pread", lambda blob: blob.pread(0, 1)),
        ("preadv", lambda blob: blob.pread_into(0, bytearray(1))),
    ],
)
def test_a_failing_disk_is_an_error_of_the_store(
    blob: OpenFile,
    call: str,
    ask: Callable[[OpenFile], object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def fail(*_arguments: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched, pytest.raises(Unavailable) as caught:
        patched.setattr(os, call, fail)
        ask(blob)
    assert str(tmp_path / "blob") in caught.value.message


def test_a_blob_that_was_cut_short_tells_its_present_size(blob: OpenFile, tmp_path: Path) -> None:
    os.truncate(tmp_path / "blob", 4)
    assert blob.size == 4
    assert blob.pread(2, 100) == b"23"


def test_a_closed_blob_is_not_read_through_a_descriptor_that_was_given_away(
    blob: OpenFile,
) -> None:
    file = blob.as_file()
    blob.close()
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        blob.pread(0, 1)
