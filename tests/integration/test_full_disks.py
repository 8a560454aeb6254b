"""Drills: a disk that fills at any step of a command.

The disk has a certain number of free bytes when the command begins, so it fills at a certain step.
After the command, whatever was acknowledged can be read, `gc` makes room, and the same command then
works. ``STORECTL_DRILLS=full`` tries all steps, also on xfs and btrfs.
"""

from __future__ import annotations

import hashlib
import os
import random
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from store import Store
from store.errors import StorageFull
from store.model.digests import Digest
from store.registry.registry import Registry
from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import image, layer
from tests.support.registry_pushes import APP
from tests.support.small_disks import MIB, full_of_bytes, full_of_files, image_of, small_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FULL: Final = os.environ.get("STORECTL_DRILLS") == "full"
KIB: Final = 1024
KINDS: Final = ("tmpfs", "ext4", "xfs", "btrfs") if FULL else ("tmpfs", "ext4")
SIZES_MIB: Final = {"tmpfs": 32, "ext4": 32, "xfs": 400, "btrfs": 400}
FREE: Final = (
    (*range(0, 64 * KIB, 4 * KIB), *range(64 * KIB, 3 * MIB, 64 * KIB))
    if FULL
    else (0, 48 * KIB, 700 * KIB)
)
"""The bytes that are free when a command begins."""

VERBS: Final = ("import", "import-pipe", "save", "tag", "untag", "rm", "gc", "fsck", "upload")


def noise(seed: int, size: int) -> bytes:
    """Return bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with archives."""
    folder = tmp_path_factory.mktemp("archives")
    for name, seed, size in (("kept", 1, 600_000), ("old", 2, 4_000_000), ("new", 3, 1_200_000)):
        small = [layer(f"{name}{one}", noise(seed * 100 + one, 1000)) for one in range(6)]
        data = image(layer(name, noise(seed, size)), *small, tags=(f"{name}:1",)).bytes()
        (folder / f"{name}.tar").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def filled(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that returns a file system with a store, which it makes once."""

    def fill(disk: Path) -> None:
        with Store.open(disk / "store", create=True) as store:
            for name in ("kept", "old"):
                store.import_archive(made / f"{name}.tar")
            store.tag("kept:1", "spare:1")
            store.remove("old:1")

    @cache
    def of(kind: str) -> Path:
        return image_of(tmp_path_factory.mktemp(kind), SIZES_MIB[kind], kind, fill)

    return of


@pytest.fixture
def archives(made: Path, tmp_path: Path) -> Path:
    """Return a folder with the archives, on another disk than the store."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.fixture
def disk(
    request: pytest.FixtureRequest, filled: Callable[[str], Path], tmp_path: Path
) -> Iterator[Path]:
    kind = getattr(request, "param", "tmpfs")
    with small_disk(tmp_path, mib=SIZES_MIB[kind], kind=kind, filled=filled(kind)) as mounted:
        yield mounted


@pytest.fixture
def run(disk: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    """Return a command line on a store with an image, and 4 MB that a collection frees."""
    return Runner(disk / "store", capfdbinary)


def leave(disk: Path, free: int) -> None:
    """Fill the disk, except for some bytes."""
    room = disk / "room"
    with room.open("wb") as file:
        if free:
            os.posix_fallocate(file.fileno(), 0, free)
    full_of_bytes(disk)
    room.unlink()


def free_now(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def push(run: Runner) -> int:
    """Push a blob, as a server does; return the exit code of its error."""
    data = noise(4, 900_000)
    try:
        with Store.open(run.root) as store:
            uploads = Registry(store).uploads
            with uploads.resume(APP, uploads.begin(APP)) as upload:
                for begin in range(0, len(data), 100_000):
                    upload.write(data[begin : begin + 100_000])
                upload.finish(Digest.of(data))
    except StorageFull:
        return ExitCode.STORAGE_FULL
    return ExitCode.OK


def command(verb: str, disk: Path, archives: Path) -> Callable[[Runner], int]:
    """Return the command of a drill, which returns its exit code."""
    arguments = {
        "import": ("import", str(archives / "new.tar")),
        "save": ("save", "-o", str(disk / "out.tar"), "kept:1"),
        "tag": ("tag", "kept:1", "another:1"),
        "untag": ("untag", "spare:1"),
        "rm": ("rm", "spare:1"),
        "gc": ("gc",),
        "fsck": ("fsck", "-q"),
    }
    if verb == "upload":
        return push
    if verb == "import-pipe":

        def pipe(run: Runner) -> int:
            try:
                with (archives / "new.tar").open("rb") as file, Store.open(run.root) as store:
                    store.import_archive(Unseekable(file.read()))  # type: ignore[arg-type]
            except StorageFull:
                return ExitCode.STORAGE_FULL
            return ExitCode.OK

        return pipe
    return lambda run: run.attempt(*arguments[verb])


class Unseekable:
    """A stream that can be read once."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def read(self, size: int = -1) -> bytes:
        piece = self._data if size < 0 else self._data[:size]
        self._data = self._data[len(piece) :]
        return bytes(piece)

    def seekable(self) -> bool:
        return False


def saved(run: Runner, archives: Path) -> str:
    """Save the acknowledged image to another disk; return the digest of the archive."""
    target = archives / "saved.tar"
    run("save", "-q", "-o", str(target), "kept:1")
    return hashlib.sha256(target.read_bytes()).hexdigest()


NEEDS_NO_ROOM: Final = frozenset({"rm", "untag", "gc", "fsck"})


@pytest.mark.parametrize("free", FREE)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("disk", KINDS, indirect=True)
def test_a_disk_that_fills_during_a_command(
    disk: Path, run: Runner, archives: Path, verb: str, free: int
) -> None:
    act = command(verb, disk, archives)
    before = saved(run, archives)
    leave(disk, free)
    code = act(run)
    assert code in (
        (ExitCode.OK,) if verb in NEEDS_NO_ROOM else (ExitCode.OK, ExitCode.STORAGE_FULL)
    )
    assert "internal error" not in run.err
    assert "Traceback" not in run.err
    if code:
        # Nothing of the failed command keeps the disk full.
        folders = (run.root / "staging", run.root / "uploads")
        assert [path for folder in folders for path in folder.rglob("*") if path.is_file()] == []
        assert [path.name for path in disk.iterdir() if "out.tar" in path.name] == []
    assert saved(run, archives) == before
    assert "kept:1" in run("images", "--format", "{{.Repository}}:{{.Tag}}")
    run("inspect", "kept:1")
    run("gc", "--dry-run")
    run("df")
    run("fsck", "-q")
    run("gc")
    assert free_now(disk) > 3 * MIB
    if code:
        assert act(run) == ExitCode.OK
    assert saved(run, archives) == before
    run("fsck", "-q")


def test_a_disk_without_inodes_says_so_and_is_emptied_after_a_few_files(
    tmp_path: Path, archives: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with small_disk(tmp_path, files=80) as disk:
        run = Runner(disk / "store", capfdbinary)
        run("import", str(archives / "kept.tar"), str(archives / "old.tar"))
        run("rm", "old:1")
        full_of_files(disk)
        assert "kept:1" in run("images", "--format", "{{.Repository}}:{{.Tag}}")
        run("tag", "kept:1", "x:1", code=ExitCode.STORAGE_FULL)
        assert "inode" in run.err
        run("gc", code=ExitCode.STORAGE_FULL)
        assert "inode" in run.err
        for number in range(4):
            (disk / f"ballast{number}").unlink()
        run("gc")
        run("tag", "kept:1", "x:1")
        run("fsck", "-q")


def test_a_full_disk_without_a_reserve_says_what_to_do(
    disk: Path, run: Runner, archives: Path
) -> None:
    before = saved(run, archives)
    for piece in (run.root / "reserve").iterdir():
        piece.unlink()
    ballast = full_of_bytes(disk)
    run("gc", code=ExitCode.STORAGE_FULL)
    assert "hint: free some space" in run.err
    assert saved(run, archives) == before
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - MIB)
    run("gc")
    assert free_now(disk) > 3 * MIB


def test_the_reserve_is_back_after_a_collection(disk: Path, run: Runner) -> None:
    full_of_bytes(disk)
    run("gc")
    size = sum(path.stat().st_blocks * 512 for path in (run.root / "reserve").iterdir())
    assert size >= MIB
    assert run.json("df")["Reserve"] >= MIB


def test_an_import_that_cannot_fit_is_refused_before_it_writes(
    disk: Path, run: Runner, tmp_path: Path
) -> None:
    big = layer("big", noise(5, 4_000_000))
    (tmp_path / "big.tar").write_bytes(image(big, tags=("big:1",)).bytes())
    leave(disk, MIB)
    left = free_now(disk)
    run("import", "--compression", "none", str(tmp_path / "big.tar"), code=ExitCode.STORAGE_FULL)
    assert f"{len(big)} bytes are needed, and" in run.err
    assert "bytes are free" in run.err
    assert abs(free_now(disk) - left) < 100 * KIB
    run("import", str(tmp_path / "big.tar"), code=ExitCode.STORAGE_FULL)
    assert "the import needs up to" in run.err
