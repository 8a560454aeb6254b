from __future__ import annotations

import errno
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from exporter.output.atomic_file import atomic_file
from store import errors

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "out.tar"
    with atomic_file(path) as file:
        file.write(b"archive")
        assert not path.exists()
    assert path.read_bytes() == b"archive"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.tar"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_cleaning_does_not_hide_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: object, **_options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with pytest.raises(KeyboardInterrupt), atomic_file(tmp_path / "out.tar") as file:
        file.write(b"new")
        monkeypatch.setattr(os, "unlink", refuse)
        raise KeyboardInterrupt


def test_a_named_pipe_is_written_directly(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    with atomic_file(path) as file:
        file.write(b"archive")
    reader.join()
    assert read == [b"archive"]
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("name", [".", "absent/out.tar"])
def test_a_folder_or_a_missing_folder_is_invalid_input(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.InvalidInput) as caught, atomic_file(tmp_path / name):
        pytest.fail("nothing can be written there")
    assert caught.value.message.startswith("cannot write ")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_output_does_not_speak_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(errors.StorageFull) as caught, atomic_file(tmp_path / "out.tar"):
        raise OSError(28, "No space left on device")
    assert "store" not in (caught.value.hint or "")
