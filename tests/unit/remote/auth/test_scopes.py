from __future__ import annotations

from remote.auth.scopes import PULL, PUSH, Scope


def test_a_scope_is_spelled_as_token_services_read_it() -> None:
    assert Scope.of("team/app", PUSH).text == "repository:team/app:pull,push"
    assert Scope.of("team/app", PULL).text == "repository:team/app:pull"
