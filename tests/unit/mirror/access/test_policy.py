"""The permissions that the access rules give to callers."""

from __future__ import annotations

import pytest

from mirror.access import (
    ANONYMOUS,
    Access,
    Action,
    Caller,
    read_rules,
)
from mirror.access.pattern import Pattern
from store.formats.distribution.names import BY_ID
from store.model.references import Repository
from tests.support.logins import RULES, USERS

APP = Repository.parse("team/app")


def test_without_rules_users_may_do_everything_and_anonymous_callers_read() -> None:
    assert Access().allows(ANONYMOUS, Action.DELETE, APP)
    assert Access(USERS).allows(ANONYMOUS, Action.READ, APP)
    assert not Access(USERS).allows(ANONYMOUS, Action.WRITE, APP)
    closed = Access(USERS, anonymous_read=False)
    assert not closed.allows(ANONYMOUS, Action.READ, APP)
    assert not closed.may_read_somewhere(ANONYMOUS)
    assert closed.allows(Caller("alice"), Action.DELETE, APP)
    read_only = Access(USERS, read_only=True)
    assert read_only.allows(Caller("alice"), Action.READ, APP)
    assert not read_only.allows(Caller("alice"), Action.WRITE, APP)
    assert not Access(read_only=True).allows_everywhere(ANONYMOUS, Action.DELETE)


def test_without_users_a_registry_may_refuse_all_changes() -> None:
    closed = Access(anonymous_write=False)
    assert not closed.has_logins
    assert closed.may_read_somewhere(ANONYMOUS)
    assert closed.allows(ANONYMOUS, Action.READ, APP)
    assert closed.allows_everywhere(ANONYMOUS, Action.READ)
    for action in (Action.WRITE, Action.DELETE):
        assert not closed.allows(ANONYMOUS, action, APP)
        assert not closed.allows_everywhere(ANONYMOUS, action)
    # Users decide alone: the setting gives anonymous callers nothing.
    assert Access(USERS, anonymous_write=False).allows(Caller("alice"), Action.WRITE, APP)
    assert not Access(USERS, anonymous_write=True).allows(ANONYMOUS, Action.WRITE, APP)


@pytest.mark.parametrize(
    ("user", "action", "name", "allowed"),
    [
        ("ci", Action.WRITE, "team/app", True),
        ("ci", Action.WRITE, "team/deep/app", True),
        ("ci", Action.DELETE, "team/app", False),
        ("ci", Action.WRITE, "teams/app", False),
        ("ci", Action.WRITE, "quay.io/team/app", False),
        ("ci", Action.READ, "quay.io/x/tool-1", True),
        ("ci", Action.READ, "quay.io/x/y/tool-1", False),
        ("alice", Action.READ, "team/app", False),
        (None, Action.READ, "debian", True),
        (None, Action.READ, "quay.io/library/debian", False),
        (None, Action.WRITE, "debian", False),
        ("root", Action.DELETE, "any.example/thing", True),
        ("root", Action.WRITE, "any.example/thing", False),
    ],
)
def test_rules_decide_by_user_action_and_repository(
    user: str | None, action: Action, name: str, allowed: bool
) -> None:
    assert (
        Access(rules=read_rules(RULES)).allows(Caller(user), action, Repository.parse(name))
        is allowed
    )


def test_rules_for_images_without_a_name_and_for_all_repositories() -> None:
    access = Access(rules=read_rules(RULES))
    assert access.allows(Caller("root"), Action.READ, BY_ID)
    assert not access.allows(Caller("ci"), Action.READ, BY_ID)
    assert access.allows_everywhere(Caller("root"), Action.READ)
    assert not access.allows_everywhere(Caller("ci"), Action.READ)
    assert access.may_read_somewhere(ANONYMOUS)
    assert not Access(rules=read_rules(RULES), anonymous_read=False).may_read_somewhere(ANONYMOUS)
    assert access.has_logins
    assert Pattern.parse("_/by-id").matches(str(BY_ID))
    assert Pattern.parse("app", "corp.example").matches("corp.example/app")
