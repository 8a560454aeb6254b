"""What an interrupted run says about its changes."""

from __future__ import annotations

from storectl.system import changes


def test_the_message_says_whether_anything_was_changed() -> None:
    changes.forget()
    assert changes.interruption() == "interrupted; nothing was changed"
    changes.note()
    assert changes.interruption() == "interrupted; changes that were already made are kept"
    changes.forget()
    assert changes.interruption() == "interrupted; nothing was changed"
