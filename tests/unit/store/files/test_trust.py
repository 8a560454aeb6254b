from __future__ import annotations

from pathlib import Path

import pytest

from store.files.trust import Folder, Judge, tight_mode

ME, ALICE, ROOT = 1000, 1001, 0
TEAM, MINE = 50, 1000


def judge(user: int = ME) -> Judge:
    return Judge(user, lambda gid, uid: gid == uid, str)


def root(uid: int, mode: int, gid: int = TEAM) -> Folder:
    return Folder(Path("/srv/store"), uid, gid, 0o40000 | mode)


def parent(mode: int, gid: int = TEAM, uid: int = ALICE) -> Folder:
    return Folder(Path("/srv"), uid, gid, 0o40000 | mode)


@pytest.mark.parametrize(
    "folder",
    [
        root(ME, 0o700),
        root(ME, 0o755),
        root(ME, 0o775, MINE),
        root(ME, 0o775, gid=0),
        root(ROOT, 0o755),
        root(ME, 0o2770),
        root(ALICE, 0o2770),
        root(ROOT, 0o2775),
    ],
)
def test_a_root_that_nobody_else_can_change_is_trusted(folder: Folder) -> None:
    assert judge().fault_of_root(folder) is None


@pytest.mark.parametrize(
    ("folder", "hint"),
    [
        (root(ME, 0o777), "chmod 0700 /srv/store"),
        (root(ME, 0o702), "chmod 0700 /srv/store"),
        (root(ME, 0o1777), "chmod 0700 /srv/store"),
        (root(ME, 0o2777), "chmod 2770 /srv/store"),
        (root(ME, 0o775), "chmod 2770 /srv/store"),
        (root(ME, 0o720), "chmod 0700 /srv/store"),
        (root(ALICE, 0o700), "as 1001"),
        (root(ALICE, 0o755), "as 1001"),
        (root(ALICE, 0o2755), "as 1001"),
    ],
)
def test_a_root_that_another_user_can_change_is_refused_with_a_command(
    folder: Folder, hint: str
) -> None:
    fault = judge().fault_of_root(folder)
    assert fault is not None
    assert hint in fault.hint


def test_the_root_user_uses_the_store_of_any_user() -> None:
    assert judge(ROOT).fault_of_root(root(ALICE, 0o700)) is None
    assert judge(ROOT).fault_of_root(root(ALICE, 0o777)) is not None


@pytest.mark.parametrize(
    ("above", "is_trusted"),
    [
        (parent(0o755), True),
        (parent(0o1777), True),
        (parent(0o777), False),
        (parent(0o775), False),
        (parent(0o775, gid=ALICE), True),
        (parent(0o775, gid=0), True),
    ],
)
def test_a_folder_above_that_others_may_write_is_refused(
    above: Folder, *, is_trusted: bool
) -> None:
    fault = judge().fault_of_parent(above, root(ME, 0o700))
    assert (fault is None) is is_trusted
    if fault is not None:
        assert "-w /srv" in fault.hint


def test_the_group_that_shares_a_store_may_write_to_the_folders_above() -> None:
    assert judge().fault_of_parent(parent(0o2775), root(ME, 0o2770)) is None
    assert judge().fault_of_parent(parent(0o2775, gid=51), root(ME, 0o2770)) is not None


@pytest.mark.parametrize(
    ("mode", "tight"),
    [(0o755, 0o700), (0o700, 0o700), (0o555, 0o500), (0o2755, 0o700), (0o2775, 0o2770)],
)
def test_a_tight_mode_gives_other_users_nothing(mode: int, tight: int) -> None:
    assert tight_mode(root(ME, mode)) == tight
