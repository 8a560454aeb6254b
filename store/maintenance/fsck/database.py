"""The findings of the engine's own check of the catalogue: log, pages, indexes, links, values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.db.faults import FaultKind
from store.maintenance.reports import Finding, Severity
from store.model.remedies import Remedy
from store.workspace import engines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.errors import StoreError

_SUBJECT: Final = "store.db"
_RESTORE: Final = "restore store.db from a backup"
_LOG: Final = (
    "copy the store's folder before any other command: the next change of the store forgets what"
    " is behind the damage"
)
_TRY_AGAIN: Final = "correct the cause and check again: nothing is known about the catalogue"


def catalogue_findings(root: Path) -> Iterator[Finding]:
    """Yield what the engine finds wrong with the catalogue at ``root``.

    Nothing is written, but an unfinished change is undone. Call this before the store is opened:
    damage in a log is gone afterwards.

    Args:
        root: The store's folder.

    Raises:
        StoreNotFound: There is no store at ``root``.
        IntegrityError: The store has content, and its catalogue is lost.
    """
    for fault in engines.examine(root):
        yield Finding(
            Severity.ERROR,
            fault.kind.value,
            _SUBJECT,
            fault.message,
            hint=_HINTS.get(fault.kind, _RESTORE),
            remedy=None if fault.kind in _HINTS or fault.table else Remedy.REPLACE_STORE,
            table=fault.table,
        )


def unopened(error: StoreError) -> Finding:
    """Return the finding that a store with a damaged catalogue cannot be opened.

    Args:
        error: Why it cannot be opened.
    """
    return Finding(
        Severity.ERROR,
        FaultKind.DATABASE.value,
        _SUBJECT,
        f"nothing else can be checked: {error.message}",
        hint=error.hint or _RESTORE,
        remedy=error.remedy or (None if error.hint else Remedy.REPLACE_STORE),
    )


_HINTS: Final = {FaultKind.LOG: _LOG, FaultKind.UNREADABLE: _TRY_AGAIN}
