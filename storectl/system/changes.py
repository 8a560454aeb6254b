"""Whether this run has changed the store, for the message after an interruption."""

from __future__ import annotations

_changed = False


def note() -> None:
    """Record that the run is about to commit a change of the store."""
    global _changed  # noqa: PLW0603 - one run is one process
    _changed = True


def forget() -> None:
    """Record that a run begins: it has changed nothing yet."""
    global _changed  # noqa: PLW0603
    _changed = False


def interruption() -> str:
    """Return the message for the user after Ctrl-C."""
    if _changed:
        return "interrupted; changes that were already made are kept"
    return "interrupted; nothing was changed"
