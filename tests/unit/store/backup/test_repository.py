from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from store.backup import repository as repository_module
from store.backup.folder_backup import back_up_to_folder
from store.backup.report import FaultKind
from store.backup.repository import DAMAGED, Repository
from store.errors import (
    Conflict,
    IntegrityError,
    InvalidDocument,
    InvalidInput,
    NotFound,
    StoreBusy,
)
from store.model.digests import Digest
from store.model.remedies import Remedy
from store.model.waiting import Waiting

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


def test_a_new_or_empty_folder_becomes_a_repository(tmp_path: Path) -> None:
    (tmp_path / "empty" / "lost+found").mkdir(parents=True)
    for name in ("new", "empty"):
        made = Repository.open_or_create(tmp_path / name)
        assert Repository.open(tmp_path / name).path == made.path
        assert made.names() == []
        assert made.blobs() == {}


def test_the_making_of_a_repository_is_continued(tmp_path: Path) -> None:
    Repository.open_or_create(tmp_path / "x")
    marker = tmp_path / "x" / "storectl-backup.json"
    marker.rename(marker.with_name(f"{marker.name}.partial"))
    assert Repository.open_or_create(tmp_path / "x").names() == []


def test_a_folder_with_other_files_is_refused(tmp_path: Path, root: Path, store: Store) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").touch()
    with pytest.raises(Conflict, match=r"letter\.txt"):
        Repository.open_or_create(tmp_path / "home")
    with pytest.raises(Conflict):
        back_up_to_folder(store, root)
    with pytest.raises(InvalidInput, match="does not exist"):
        Repository.open_or_create(tmp_path / "none" / "below")
    with pytest.raises(InvalidInput, match="there are no backups"):
        Repository.open(tmp_path / "home")


def test_a_symbolic_link_to_a_folder_is_followed(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository.path)
    assert Repository.open(tmp_path / "link").names() == repository.names()


NOW_OR_NEVER = Waiting(0.0)


def test_one_process_writes_at_a_time(repository: Repository) -> None:
    other = Repository.open(repository.path)
    with (
        repository.locked(exclusive=False),
        other.locked(exclusive=False),
        pytest.raises(StoreBusy),
        other.locked(exclusive=True, waiting=NOW_OR_NEVER),
    ):
        pass
    with (
        repository.locked(exclusive=True),
        pytest.raises(StoreBusy) as caught,
        other.locked(exclusive=False, waiting=NOW_OR_NEVER),
    ):
        pass
    assert f"process {os.getpid()}" in caught.value.message
    assert caught.value.remedy is Remedy.WAIT_LONGER
    with other.locked(exclusive=True):
        pass


def test_a_process_waits_for_another_one(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository_module, "PATIENCE_S", 0.0)
    reported = []
    with ExitStack() as stack:
        stack.enter_context(repository.locked(exclusive=True))

        def end_the_other(whom: str) -> None:
            reported.append(whom)
            stack.close()

        with Repository.open(repository.path).locked(
            exclusive=True, waiting=Waiting(60.0, end_the_other)
        ):
            pass
    assert len(reported) == 1
    assert reported[0].startswith(f"process {os.getpid()}")


def test_a_copy_without_the_lock_can_be_read(repository: Repository) -> None:
    (repository.path / "lock").unlink()
    with repository.locked(exclusive=False):
        assert repository.names()
    assert not (repository.path / "lock").exists()


def test_the_lock_ends_with_its_process(repository: Repository) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from store.backup.repository import Repository\n"
        "with Repository.open(Path(sys.argv[1])).locked(exclusive=True): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(repository.path)], check=False)
    with repository.locked(exclusive=True):
        pass


def test_only_files_named_by_digests_are_blobs(repository: Repository) -> None:
    before = repository.blobs()
    digest = next(iter(before))
    path = repository.blob(digest)
    path.with_name(path.name + DAMAGED).write_bytes(b"x")
    (path.parent / "note").write_bytes(b"x")
    (path.parent / ("0" * 64)).write_bytes(b"x")
    (path.parent / (path.parent.name + "0" * 62)).symlink_to("/etc/passwd")
    (repository.path / "blobs" / "md5").mkdir()
    assert repository.blobs() == before
    assert before[digest] == path.stat().st_size


def test_generations_are_read_with_a_check(repository: Repository) -> None:
    (name,) = repository.names()
    (repository.path / "generations" / "other").mkdir()
    assert repository.names() == [name]
    generation = repository.generation(name)
    assert [blob.digest for blob in repository.listed(name, sha256=generation.list.sha256)] == [
        blob.digest for blob in repository.listed(name)
    ]
    with pytest.raises(IntegrityError, match="different SHA-256"):
        repository.listed(name, sha256="0" * 64)
    with pytest.raises(NotFound):
        repository.generation("20200101T000000Z")
    (repository.path / "generations" / name / "blobs.txt").unlink()
    with pytest.raises(IntegrityError, match="no such file"):
        repository.listed(name)


@pytest.mark.parametrize("file", ["blobs.txt", "generation.json"])
def test_the_blobs_of_a_damaged_generation_are_not_known(repository: Repository, file: str) -> None:
    (name,) = repository.names()
    path = repository.path / "generations" / name / file
    # The list ends early, at the end of a line.
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n") + 1])
    named, (fault,) = repository.named_blobs(repository.names())
    assert (named, fault.kind, fault.generations) == (set(), FaultKind.DAMAGED, (name,))
    path.write_bytes(whole)
    assert repository.named_blobs(repository.names()) == (set(repository.blobs()), [])


def test_a_generation_of_a_newer_program_is_not_damaged(repository: Repository) -> None:
    (name,) = repository.names()
    path = repository.path / "generations" / name / "generation.json"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(InvalidDocument, match="version 2"):
        repository.generation(name)
    assert len(repository.named_blobs([name])[1]) == 1


def test_blobs_without_a_generation_are_removed(repository: Repository) -> None:
    before = set(repository.blobs())
    stray = Digest.of(b"stray")
    repository.blob(stray).parent.mkdir(exist_ok=True)
    repository.blob(stray).write_bytes(b"stray")
    assert repository.remove_other_blobs(before) == 5
    assert set(repository.blobs()) == before


def test_what_an_unfinished_backup_left_is_removed(repository: Repository) -> None:
    assert not repository.clear_partial()
    (repository.new_partial("new") / "store.db").write_bytes(b"x")
    (repository.path / "partial" / "file").touch()
    (repository.path / "partial" / "link").symlink_to(repository.path / "blobs")
    assert repository.clear_partial()
    assert list((repository.path / "partial").iterdir()) == []
    assert repository.blobs()


def test_a_removed_generation_leaves_its_blobs(repository: Repository) -> None:
    (name,) = repository.names()
    repository.remove(name)
    assert repository.names() == []
    assert repository.blobs()
    assert repository.remove_other_blobs(()) > 0
    assert repository.blobs() == {}
