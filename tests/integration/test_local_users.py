"""Several users of one machine: the users of a store, and the owners of its new files."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store import Store
from tests.support.images import A, image
from tests.support.other_users import as_root, run_as

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = as_root

ALICE, BOB, TEAM = 64001, 64002, 64100


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that every user can enter; the folders of pytest are for one user."""
    with tempfile.TemporaryDirectory(prefix="storectl-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "image.tar").write_bytes(image(A).bytes())
        for user in (ALICE, BOB):
            (folder / str(user)).mkdir(mode=0o755)
            os.chown(folder / str(user), user, user)
        yield folder


def owners(root: Path) -> set[tuple[int, int]]:
    found = (path.lstat() for path in (root, *root.rglob("*")))
    return {(status.st_uid, status.st_gid) for status in found}


def modes(root: Path, *, of_folders: bool) -> set[int]:
    return {
        stat.S_IMODE(path.stat().st_mode)
        for path in (root, *root.rglob("*"))
        if path.is_dir() == of_folders
    }


def made(place: Path, user: int, group: int | None = None) -> Path:
    """Return a store of a user, or of a group in which the user is."""
    root = place / str(user) / "store"
    with Store.open(root, create=True, group=group) as store:
        store.import_archive(place / "image.tar")
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        os.chown(path, user, user if group is None else group)
        path.chmod(mode)
    return root


def imports(user: int, place: Path, root: Path, **options: object) -> int:
    done = run_as(user, "--root", root, "import", "-q", place / "image.tar", **options)  # type: ignore[arg-type]
    assert b"internal error" not in done.stderr, done.stderr
    return done.returncode


def test_another_user_gets_nothing_of_a_store(place: Path) -> None:
    root = made(place, ALICE)
    assert modes(root, of_folders=True) == {0o700}
    assert modes(root, of_folders=False) == {0o600}
    for arguments in (("images",), ("save", "demo:1"), ("tag", "demo:1", "x:1"), ("gc",)):
        assert run_as(BOB, "--root", root, *arguments).returncode == 9
    for name in ("write.lock", "store.db", "staging", "."):
        held = subprocess.run(
            ["flock", "--nonblock", root / name, "true"],
            user=BOB,
            group=BOB,
            extra_groups=(),
            capture_output=True,
            check=False,
        )
        assert b"Permission denied" in held.stderr


def test_another_user_is_refused_even_if_the_modes_are_open(place: Path) -> None:
    root = made(place, ALICE)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for arguments in (("images",), ("tag", "demo:1", "x:1")):
        done = run_as(BOB, "--root", root, *arguments)
        assert done.returncode == 9
        assert b"belongs to the user" in done.stderr
    assert run_as(ALICE, "--root", root, "tag", "demo:1", "x:1").returncode == 0
    assert b"Permission denied" in run_as(BOB, "--root", root, "images").stderr


def test_what_root_writes_to_the_store_of_a_user_belongs_to_the_user(place: Path) -> None:
    root = made(place, ALICE)
    (place / "other.tar").write_bytes(
        image(A, tags=("other:1",), created="2020-01-01T00:00:00Z").bytes()
    )
    with Store.open(root) as store:
        store.import_archive(place / "other.tar")
        # The log and the shared memory exist while the store is open.
        assert (root / "store.db-wal").exists()
        assert owners(root) == {(ALICE, ALICE)}
    (root / "write.lock").unlink()
    assert imports(0, place, root, group=0) == 0
    assert owners(root) == {(ALICE, ALICE)}
    assert modes(root, of_folders=True) == {0o700}
    assert modes(root, of_folders=False) == {0o600}
    assert run_as(ALICE, "--root", root, "rm", "other:1").returncode == 0
    assert run_as(ALICE, "--root", root, "gc").returncode == 0
    assert run_as(ALICE, "--root", root, "fsck").returncode == 0


def test_a_group_shares_a_store(place: Path) -> None:
    root = made(place, ALICE, TEAM)
    (place / "other.tar").write_bytes(
        image(A, tags=("other:1",), created="2020-01-01T00:00:00Z").bytes()
    )
    assert imports(ALICE, place, root, groups=[TEAM], umask=0o077) == 0
    done = run_as(
        BOB, "--root", root, "import", "-q", place / "other.tar", groups=[TEAM], umask=0o077
    )
    assert done.returncode == 0, done.stderr
    assert imports(0, place, root, group=0, umask=0o077) == 0
    assert modes(root, of_folders=True) == {0o2770}
    assert modes(root, of_folders=False) == {0o660}
    assert {group for _, group in owners(root)} == {TEAM}
    for user in (ALICE, BOB):
        for arguments in (("tag", "demo:1", f"u{user}:1"), ("rm", f"u{user}:1"), ("gc",)):
            done = run_as(user, "--root", root, *arguments, groups=[TEAM], umask=0o077)
            assert done.returncode == 0, done.stderr
    assert run_as(65534, "--root", root, "images").returncode == 9


def test_the_folders_of_root_are_safe_from_the_owner_of_a_root(place: Path) -> None:
    """Before, importing removed every folder below the target, and overwrote the file."""
    home = place / "home"
    (home / "precious").mkdir(parents=True)
    home.chmod(0o700)
    (place / "victim").write_bytes(b"important")
    root = made(place, BOB)
    script = f"rm -rf staging write.lock; ln -s {home} staging; ln -s {place}/victim write.lock"
    subprocess.run(["sh", "-c", script], cwd=root, user=BOB, group=BOB, check=True)
    for names in (("staging", "write.lock"), ("write.lock",)):
        assert imports(0, place, root, group=0) == 9
        (root / names[0]).unlink()
    assert imports(0, place, root, group=0) == 0
    assert [path.name for path in home.iterdir()] == ["precious"]
    assert (place / "victim").read_bytes() == b"important"


def test_an_empty_folder_that_root_prepared_for_a_service_can_be_used(place: Path) -> None:
    """The folders of a container's volume and of a systemd unit belong to the service's user."""
    for mode in (0o700, 0o755, 0o2775):
        root = place / f"volume-{mode:o}"
        root.mkdir()
        os.chown(root, 0 if mode == 0o2775 else ALICE, ALICE)
        root.chmod(mode)
        assert imports(ALICE, place, root) == 0
        assert run_as(ALICE, "--root", root, "images", "-q").stdout
