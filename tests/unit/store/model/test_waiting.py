from __future__ import annotations

from store.model.waiting import SERVER_WAIT_LIMIT_S, WAITING, Waiting


def test_a_command_waits_a_minute_and_a_request_five_seconds() -> None:
    assert (WAITING.limit_s, SERVER_WAIT_LIMIT_S) == (60, 5)
    assert Waiting() == WAITING
    assert Waiting(3).on_wait is None
