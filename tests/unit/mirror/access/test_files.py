"""The files that list the users and the access rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.access import (
    ANONYMOUS,
    AccessFiles,
    Action,
)
from store.model.references import Repository

if TYPE_CHECKING:
    from pathlib import Path

APP = Repository.parse("team/app")


def test_file_without_users_lets_no_user_in(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# alice was removed\n")
    access = AccessFiles(file).load()
    assert not access.is_open
    assert access.allows(ANONYMOUS, Action.READ, APP)
    assert not access.allows(ANONYMOUS, Action.WRITE, APP)
    assert not access.allows(ANONYMOUS, Action.DELETE, APP)
    assert not AccessFiles(file, anonymous_read=False).load().allows(ANONYMOUS, Action.READ, APP)
    assert AccessFiles().load().is_open
