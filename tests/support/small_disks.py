"""Small file systems that tests mount and fill. Only root can mount them."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BALLAST = "ballast"
MIB = 1024 * 1024
_SLOWLY = 16 * MIB
"""How much of a disk is filled by writing."""


@contextmanager
def small_disk(
    folder: Path,
    *,
    mib: int = 32,
    files: int = 0,
    kind: str = "tmpfs",
    filled: Path | None = None,
) -> Iterator[Path]:
    """Mount a small file system, and unmount it at the end; skip the test if that is impossible.

    Args:
        folder: An existing folder, in which the mount point is made.
        mib: The size of the file system in MiB.
        files: The most files of a tmpfs; 0 for the kernel's choice.
        kind: ``tmpfs``, or a file system with a program ``mkfs.KIND``, on a loop device.
        filled: What `image_of` has left; None for an empty file system.

    Yields:
        The mount point.
    """
    point, image = folder / "disk", folder / "disk.img"
    if kind == "tmpfs":
        inodes = f",nr_inodes={files}" if files else ""
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m{inodes}", "tmpfs"]
    else:
        if filled is None:
            _make(image, mib, kind)
        else:
            _copy(str(filled), image)
        command = ["mount", "-o", "loop", str(image)]
    with _mounted(command, point, kind):
        if kind == "tmpfs" and filled is not None:
            _copy(f"{filled}/disk/.", point)
        yield point
    image.unlink(missing_ok=True)


def image_of(folder: Path, mib: int, kind: str, fill: Callable[[Path], None]) -> Path:
    """Make a small file system once and fill it, so that tests can mount copies of it.

    Args:
        folder: An existing folder.
        mib: The size of the file system in MiB.
        kind: As in `small_disk`.
        fill: Fills the file system.

    Returns:
        What `small_disk` takes as ``filled``: for tmpfs a folder with the files, else an image.
    """
    if kind == "tmpfs":
        (folder / "disk").mkdir()
        fill(folder / "disk")
        return folder
    kept = folder / "filled.img"
    _make(kept, mib, kind)
    command = ["mount", "-o", "loop", str(kept)]
    # The image is complete when it is unmounted, and not when that has begun.
    with _mounted(command, folder / "disk", kind, lazy=False) as point:
        fill(point)
    return kept


@contextmanager
def _mounted(command: list[str], point: Path, kind: str, *, lazy: bool = True) -> Iterator[Path]:
    point.mkdir()
    done = subprocess.run([*command, str(point)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a {kind} (run the tests as root): {done.stderr.strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", *(["-l"] if lazy else []), str(point)], check=True)


def _make(image: Path, mib: int, kind: str) -> None:
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    if shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(f"mkfs.{kind} is missing: install the programs of {kind}")
    options = ["-q", "-m", "0"] if kind == "ext4" else []
    subprocess.run([f"mkfs.{kind}", *options, str(image)], check=True, capture_output=True)


def _copy(source: str, target: Path) -> None:
    # A copy has holes where the source has them; reserved blocks stay reserved or are written.
    subprocess.run(["cp", "-a", "--reflink=auto", source, str(target)], check=True)


def full_of_bytes(disk: Path, name: str = _BALLAST) -> Path:
    """Write a file until no byte is left; return the file."""
    path = disk / name
    found = os.statvfs(disk)
    most = found.f_bavail * found.f_frsize - _SLOWLY
    if most > 0:
        # Reserved blocks are as full as written ones, and take no time.
        with suppress(OSError), path.open("ab") as file:
            os.posix_fallocate(file.fileno(), path.stat().st_size, most)
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(MIB))
    for size in (4096, 512):
        with suppress(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(size))
    return path


def full_of_files(disk: Path) -> None:
    """Make empty files until no inode is left."""
    with suppress(OSError):
        number = 0
        while True:
            (disk / f"{_BALLAST}{number}").touch(exist_ok=False)
            number += 1
