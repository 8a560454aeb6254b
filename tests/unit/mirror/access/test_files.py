"""The files that list the users and the access rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirror.access import (
    ANONYMOUS,
    AccessFiles,
    Action,
)
from store.errors import PermissionDenied
from store.model.references import Repository

if TYPE_CHECKING:
    from pathlib import Path

APP = Repository.parse("team/app")


def test_file_without_users_lets_no_user_in(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# alice was removed\n")
    access = AccessFiles(file).load()
    assert access.has_logins
    assert access.allows(ANONYMOUS, Action.READ, APP)
    assert not access.allows(ANONYMOUS, Action.WRITE, APP)
    assert not access.allows(ANONYMOUS, Action.DELETE, APP)
    assert not AccessFiles(file, anonymous_read=False).load().allows(ANONYMOUS, Action.READ, APP)


@pytest.mark.parametrize("name", ["htpasswd", "rules"])
def test_a_file_that_other_users_may_write_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    file.chmod(0o602)
    with pytest.raises(PermissionDenied):
        AccessFiles(**{name: file}).load()  # type: ignore[arg-type]


def test_hashes_that_every_user_may_read_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    file.chmod(0o604)
    AccessFiles(file).load()
    AccessFiles(rules=file).load()
    assert caplog.text.count("every user of this machine may read") == 1


def test_without_files_clients_write_only_if_they_are_let() -> None:
    closed, opened = AccessFiles().load(), AccessFiles(anonymous_write=True).load()
    assert not AccessFiles().has_logins
    assert not closed.has_logins
    assert closed.allows(ANONYMOUS, Action.READ, APP)
    assert not closed.allows(ANONYMOUS, Action.WRITE, APP)
    assert opened.allows(ANONYMOUS, Action.DELETE, APP)


def test_a_file_of_rules_is_a_login(tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text("")
    assert AccessFiles(rules=file).has_logins
    # The rules alone decide, also for a server that lets every client write.
    access = AccessFiles(rules=file, anonymous_write=True).load()
    assert access.has_logins
    assert not access.allows(ANONYMOUS, Action.WRITE, APP)


def test_files_without_users_and_rules_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    users, rules = tmp_path / "users", tmp_path / "rules"
    for path in (users, rules):
        path.write_text("# nothing\n")
        path.chmod(0o600)
    AccessFiles(users, rules).load()
    assert f"{users} has no users: nobody can log in with a password" in caplog.text
    assert f"{rules} has no rules: nobody may read or write" in caplog.text
