from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from store.files import kernel_copy
from store.files.kernel_copy import clone, copy_in_kernel

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(200))


def copy(folder: Path, size_bytes: int, *, source_offset: int, target_offset: int) -> int:
    (folder / "source").write_bytes(DATA)
    target = os.open(folder / "target", os.O_RDWR | os.O_CREAT)
    try:
        with (folder / "source").open("rb", buffering=0) as source:
            return copy_in_kernel(
                source,
                target,
                size_bytes,
                source_offset=source_offset,
                target_offset=target_offset,
            )
    finally:
        os.close(target)


def test_a_part_goes_to_its_place(tmp_path: Path) -> None:
    done = copy(tmp_path, 50, source_offset=10, target_offset=5)
    if done:
        assert done == 50
        assert (tmp_path / "target").read_bytes() == bytes(5) + DATA[10:60]


def test_it_ends_with_the_source(tmp_path: Path) -> None:
    assert copy(tmp_path, 50, source_offset=190, target_offset=0) in (0, 10)


def test_calls_that_copy_less_are_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []

    def three(_source: int, _target: int, count: int, at: int, to: int) -> int:
        asked.append((count, at, to))
        return min(3, count)

    monkeypatch.setattr(kernel_copy, "_copy_file_range", three)
    assert copy(tmp_path, 7, source_offset=1, target_offset=100) == 7
    assert asked == [(7, 1, 100), (4, 4, 103), (1, 7, 106)]


@pytest.mark.parametrize(
    "number", [errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM]
)
def test_where_the_kernel_cannot_copy_the_caller_does(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(kernel_copy, "_copy_file_range", refuse)
    assert copy(tmp_path, 7, source_offset=0, target_offset=0) == 0
    monkeypatch.setattr(kernel_copy, "_copy_file_range", None)
    assert copy(tmp_path, 7, source_offset=0, target_offset=0) == 0


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kernel_copy, "_copy_file_range", refuse)
    with pytest.raises(OSError, match="No space") as caught:
        copy(tmp_path, 7, source_offset=0, target_offset=0)
    assert caught.value.errno == errno.ENOSPC


def test_a_clone_has_all_bytes_or_does_not_happen(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"data" * 1000)
    with (tmp_path / "one").open("rb") as source, (tmp_path / "two").open("wb") as target:
        cloned = clone(source.fileno(), target.fileno())
    assert (tmp_path / "two").read_bytes() == (b"data" * 1000 if cloned else b"")


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL])
def test_a_file_system_without_clones_is_no_error(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "x")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    assert not clone(0, 1)


def test_other_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(fcntl, "ioctl", full)
    with pytest.raises(OSError, match="full"):
        clone(0, 1)
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: 0)
    assert clone(0, 1)
