"""Drills: back up a busy store, interrupt backups and restores, lose and damage files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from store import Store
from store.backup.archive import planned
from store.backup.checking import check_folder
from store.backup.folder_backup import FolderOptions, back_up_to_folder
from store.backup.repository import Repository
from store.backup.restore import restore
from store.backup.sources import FolderSource
from tests.conftest import NOW
from tests.support import backup_workload
from tests.support.command_line import Runner
from tests.support.images import A, B, E, image, layer
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS: Final = int(os.environ.get("STORECTL_KILLS", "12"))
WORKLOAD: Final = Path(backup_workload.__file__)
COMMAND: Final = (sys.executable, "-m", "storectl")
PROJECT: Final = Path(__file__).parents[2]


def restored(repository: Repository, name: str, root: Path) -> Store:
    restore(root, FolderSource(repository, name), now=lambda: NOW)
    return Store.open(root, clock=lambda: NOW)


def sound(store: Store) -> None:
    """Assert that a store is sound, and that every image can be saved."""
    assert list(store.fsck()) == []
    for one in store.images():
        assert store.inspect(str(one.image_id)).image_id == one.image_id


# --- a busy store ---------------------------------------------------------------------------------


@pytest.fixture
def busy(root: Path, tmp_path: Path) -> Iterator[Path]:
    """Run four importers, a pusher, a remover and a collector on a store."""
    with Store.open(root, create=True) as store:
        put_image(store, A, B, tags=("first:1",))
    stop = tmp_path / "stop"
    kinds = ("import", "import", "import", "import", "push", "rm", "gc")
    running = [
        subprocess.Popen(
            [sys.executable, str(WORKLOAD), kind, str(root), str(stop), str(number)],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, kind in enumerate(kinds)
    ]
    patience = time.monotonic() + 120
    while any(not Path(f"{stop}.{number}").exists() for number in range(len(kinds))):
        assert time.monotonic() < patience
        assert all(process.poll() is None for process in running)
        time.sleep(0.05)
    yield root
    stop.touch()
    ended = [(process.communicate(timeout=120), process.returncode) for process in running]
    for kind, ((out, err), code) in zip(kinds, ended, strict=True):
        assert code == 0, err
        assert int(out) > 0, kind


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_backup_of_a_busy_store_is_whole(busy: Path, tmp_path: Path) -> None:
    with Store.open(busy) as store:
        for number in range(6):
            report = back_up_to_folder(store, tmp_path / "b", FolderOptions(keep=3))
            assert report.faults == ()
            folder = tmp_path / f"tar{number}"
            folder.mkdir()
            with planned(store, folder) as plan, (folder / "b.tar").open("wb") as file:
                assert plan.write(file.write, None).faults == ()  # type: ignore[arg-type]
    repository = Repository.open(tmp_path / "b")
    assert len(repository.names()) == 3
    assert check_folder(repository, repository.names(), now=lambda: NOW).faults == ()
    for name in repository.names():
        with restored(repository, name, tmp_path / name) as new:
            sound(new)


# --- interruptions --------------------------------------------------------------------------------


def killed(arguments: list[str], seconds: float) -> bool:
    """Run a command, and kill it after a time; return whether it was killed."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def filled(root: Path) -> None:
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        for number in range(60):
            data = random.Random(number).randbytes(20_000)
            put_image(store, layer(f"f{number}", data), tags=(f"app{number}:1",))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_backups_and_restores_that_are_killed_lose_nothing(root: Path, tmp_path: Path) -> None:
    filled(root)
    seed, folder = random.Random(7), tmp_path / "b"
    started = time.monotonic()
    subprocess.run([*COMMAND, "--root", str(root), "backup", str(folder)], cwd=PROJECT, check=True)
    lasts = time.monotonic() - started
    repository = Repository.open(folder)
    kills = 0
    for number in range(KILLS):
        before = repository.names()
        if number % 2:
            # Every second run has to copy everything again.
            shutil.rmtree(folder / "blobs")
            (folder / "blobs").mkdir()
            for name in before:
                shutil.rmtree(folder / "generations" / name)
            before = []
        command = ["--root", str(root), "backup", "--keep", "2", str(folder)]
        kills += killed(command, seed.uniform(0.2, 1) * lasts)
        assert set(before[-1:]) <= set(repository.names())
        report = check_folder(repository, repository.names(), now=lambda: NOW)
        assert report.faults == ()
        with Store.open(root) as store:
            back_up_to_folder(store, folder)
        new = tmp_path / "new"
        command = ["--root", str(new), "restore", str(folder)]
        if killed(command, seed.uniform(0.2, 1) * lasts):
            kills += 1
            listed = subprocess.run(
                [*COMMAND, "--root", str(new), "images"],
                cwd=PROJECT,
                capture_output=True,
                check=False,
            )
            # There is no store yet, or the whole one.
            assert listed.returncode == 10 or listed.stdout.count(b"\n") == 61
        if not (new / "store.db").exists():
            subprocess.run([*COMMAND, *command], cwd=PROJECT, check=True)
        with Store.open(new) as store:
            sound(store)
            assert len(store.images()) == 60
        shutil.rmtree(new)
    assert kills
    with Store.open(root) as store:
        assert list(store.fsck()) == []
        assert store.collect().dead_operations <= kills


# --- copies with other programs -------------------------------------------------------------------


def test_a_copy_of_a_store_at_rest_is_whole(
    root: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with Store.open(root, create=True) as store:
        put_image(store, A, B, tags=("app:1",))
    subprocess.run(["cp", "-a", str(root), str(tmp_path / "copy")], check=True)
    copy = Runner(tmp_path / "copy", capfdbinary)
    assert "app" in copy("images")
    assert copy.err == ""
    assert "clean" in copy("fsck")


@pytest.mark.slow
def test_the_catalogue_and_then_the_content_make_a_whole_copy(root: Path, tmp_path: Path) -> None:
    """Copy a store while images are imported, as the tutorial says, without a collection."""
    copy, stop = tmp_path / "copy", tmp_path / "stop"
    with Store.open(root, create=True) as store:
        put_image(store, A, B, tags=("first:1",))
    with subprocess.Popen(
        [sys.executable, str(WORKLOAD), "import", str(root), str(stop), "1"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
    ):
        time.sleep(1)
        copy.mkdir()
        with (
            closing(sqlite3.connect(root / "store.db")) as source,
            closing(sqlite3.connect(copy / "store.db")) as target,
        ):
            source.backup(target)
        subprocess.run(["cp", "-a", str(root / "blobs"), str(copy)], check=True)
        stop.touch()
    with Store.open(copy) as store:
        assert {finding.kind for finding in store.fsck()} <= {"orphan"}
        assert len(store.images()) >= 1


def copy_files(source: Path, target: Path, pattern: str) -> None:
    """Copy files of a store as ``cp -a`` does, and let them be older than a running import."""
    for path in source.glob(pattern):
        if path.is_file():
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to)
            os.utime(to, (time.time() - 3600,) * 2)


def test_copies_of_a_store_in_use_are_recognised(
    root: Path,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    early, late = tmp_path / "early", tmp_path / "late"
    with Store.open(root, create=True) as store:
        put_image(store, A, tags=("one:1",))
    with Store.open(root) as store:
        copy_files(root, early, "blobs/**/*")
        put_image(store, B, tags=("two:1",))
        copy_files(root, early, "store.db*")
        # The last import is in the log only.
        copy_files(root, late, "store.db")
        copy_files(root, late, "blobs/**/*")
    copy = Runner(early, capfdbinary)
    assert "two" in copy("images")
    assert "is not whole: 1 of its newest 2 files are missing" in caplog.text
    assert "missing" in copy("fsck", code=5)
    copy = Runner(late, capfdbinary)
    assert "two" not in copy("images")
    assert "lacks 1 of the 2 files" in caplog.text
    copy("gc")
    caplog.clear()
    copy("images")
    assert caplog.text == ""


# --- lost and old catalogues ----------------------------------------------------------------------


def test_the_catalogue_of_yesterday_beside_the_blobs_of_today(
    root: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Nothing of today is lost while the catalogue of yesterday is in its place."""
    storectl = Runner(root, capfdbinary)
    archive = tmp_path / "x.tar"
    archive.write_bytes(image(A, tags=("yesterday:1",)).bytes())
    storectl("import", str(archive))
    generation = storectl.json("backup", str(tmp_path / "b"))["Generation"]
    archive.write_bytes(image(B, E, tags=("today:1",)).bytes())
    storectl("import", str(archive))
    today = {path.name for path in (root / "blobs").rglob("*") if path.is_file()}
    (root / "store.db").rename(tmp_path / "today.db")
    for name in ("store.db-wal", "store.db-shm"):
        (root / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "b" / "generations" / generation / "store.db", root / "store.db")
    found = storectl("fsck")
    assert found.count("is not in the catalogue") == 2
    assert "yesterday" in storectl("images")
    storectl("gc")
    assert len(list((root / "quarantine").iterdir())) == 2
    # The files of today come back with their catalogue, or when the image is imported again.
    storectl("import", str(archive))
    assert "clean" in storectl("fsck")
    shutil.copy(tmp_path / "today.db", root / "store.db")
    for name in ("store.db-wal", "store.db-shm"):
        (root / name).unlink(missing_ok=True)
    storectl("gc")
    assert "clean" in storectl("fsck")
    assert {"today", "yesterday"} <= set(storectl("images").split())
    assert today <= {path.name for path in (root / "blobs").rglob("*") if path.is_file()}


def test_a_lost_store_comes_back(
    root: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    storectl = Runner(root, capfdbinary)
    archive = tmp_path / "x.tar"
    archive.write_bytes(image(A, B, tags=("app:1",)).bytes())
    storectl("import", str(archive))
    before = storectl("images", "--digests", "--no-trunc")
    storectl("backup", str(tmp_path / "b"))
    shutil.rmtree(root)
    storectl("restore", str(tmp_path / "b"))
    assert storectl("images", "--digests", "--no-trunc") == before
    assert "clean" in storectl("fsck")


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_planted_damage_is_found(root: Path, tmp_path: Path) -> None:
    """Change one bit of any file of a backup; the check names it, and a restore refuses it."""
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        put_image(store, A, tags=("a:1",))
        put_image(store, A, B, tags=("b:1",))
        back_up_to_folder(store, tmp_path / "b")
    repository = Repository.open(tmp_path / "b")
    files = [path for path in (tmp_path / "b").rglob("*") if path.is_file()]
    files = [path for path in files if path.name not in ("lock", "storectl-backup.json")]
    seed = random.Random(3)
    for _ in range(60):
        path = seed.choice(files)
        data = bytearray(path.read_bytes())
        at = seed.randrange(len(data))
        data[at] ^= 1 << seed.randrange(8)
        whole = path.read_bytes()
        path.write_bytes(data)
        faults = check_folder(repository, repository.names(), now=lambda: NOW).faults
        if path.name != "generation.json":
            assert faults, (path, at)
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}.damaged").unlink()
        path.write_bytes(whole)
    assert check_folder(repository, repository.names(), now=lambda: NOW).faults == ()
