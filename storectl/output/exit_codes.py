"""One exit code for each thing a caller can do something about.

``docs/cli.md`` prints this table.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.errors import StoreError


class ExitCode(IntEnum):
    """What the process ends with."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    INVALID_INPUT = 4
    CORRUPT = 5
    CONFLICT = 6
    STORAGE_FULL = 7
    READ_ONLY = 8
    NO_PERMISSION = 9
    UNAVAILABLE = 10
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANING = {
    ExitCode.OK: "done",
    ExitCode.FAILURE: "an unexpected failure: a fault of storectl",
    ExitCode.USAGE: "wrong usage",
    ExitCode.NOT_FOUND: "no such image, tag or reference",
    ExitCode.INVALID_INPUT: "the input is invalid; the store is unchanged",
    ExitCode.CORRUPT: "stored content is damaged or missing, or fsck found errors",
    ExitCode.CONFLICT: "the request contradicts what is stored",
    ExitCode.STORAGE_FULL: "no space left",
    ExitCode.READ_ONLY: "the store can only be read",
    ExitCode.NO_PERMISSION: "the operating system forbids it",
    ExitCode.UNAVAILABLE: (
        "the store cannot be used now: busy, missing, of a newer version, or an I/O error"
    ),
    ExitCode.HUNG_UP: "the terminal was closed (SIGHUP); nothing half-done is left",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); nothing half-done is left",
    ExitCode.BROKEN_PIPE: "who read the output went away",
    ExitCode.TERMINATED: "terminated (SIGTERM); nothing half-done is left",
}


def exit_code(error: StoreError) -> ExitCode:
    """The code for an error: of its class, or of the nearest one above it."""
    from store import errors  # noqa: PLC0415 - only when something failed

    table: dict[type[StoreError], ExitCode] = {
        errors.NotFound: ExitCode.NOT_FOUND,
        errors.InvalidInput: ExitCode.INVALID_INPUT,
        errors.IntegrityError: ExitCode.CORRUPT,
        errors.Conflict: ExitCode.CONFLICT,
        errors.StorageFull: ExitCode.STORAGE_FULL,
        errors.ReadOnlyStore: ExitCode.READ_ONLY,
        errors.PermissionDenied: ExitCode.NO_PERMISSION,
        errors.Unavailable: ExitCode.UNAVAILABLE,
    }
    return next((table[known] for known in type(error).__mro__ if known in table), ExitCode.FAILURE)
