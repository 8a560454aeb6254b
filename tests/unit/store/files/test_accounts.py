from __future__ import annotations

import grp
import pwd
from types import SimpleNamespace

import pytest

from store.files.accounts import is_private_group, user_name


@pytest.fixture(autouse=True)
def _accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    users = {0: "root", 1000: "alice", 1001: "bob"}
    groups: dict[int, list[str]] = {1000: [], 1001: [], 50: ["bob"], 60: ["alice"], 70: ["root"]}
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=users[uid]))
    monkeypatch.setattr(
        pwd, "getpwall", lambda: [SimpleNamespace(pw_uid=uid, pw_gid=uid) for uid in users]
    )
    monkeypatch.setattr(grp, "getgrgid", lambda gid: SimpleNamespace(gr_mem=groups[gid]))


def test_an_unknown_user_has_a_number() -> None:
    assert user_name(1000) == "alice"
    assert user_name(4711) == "4711"


@pytest.mark.parametrize(
    ("gid", "is_private"),
    [
        (1000, True),  # alice's own group
        (1001, False),  # the group of bob alone, whose list of members is empty
        (50, False),
        (60, True),
        (70, True),
        (4711, True),  # a group that the system does not know
    ],
)
def test_a_group_is_private_if_nobody_else_is_in_it(gid: int, *, is_private: bool) -> None:
    assert is_private_group(gid, 1000) is is_private
