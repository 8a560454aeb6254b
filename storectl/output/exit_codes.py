"""The exit codes of the program, one for each kind of failure that callers may handle.

``docs/cli.md`` shows the table of all codes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.errors import StoreError


class ExitCode(IntEnum):
    """The exit code of the process."""

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
    ACCESS_DENIED = 11
    REGISTRY_UNAVAILABLE = 12
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANING = {
    ExitCode.OK: "success",
    ExitCode.FAILURE: "unexpected failure: a bug in storectl",
    ExitCode.USAGE: "wrong usage: an unknown command, option or argument",
    ExitCode.NOT_FOUND: "no such image, tag or reference",
    ExitCode.INVALID_INPUT: "invalid input; the store is unchanged",
    ExitCode.CORRUPT: "stored content is damaged or missing, or a check found errors",
    ExitCode.CONFLICT: "the request conflicts with the content of the store",
    ExitCode.STORAGE_FULL: "no space left",
    ExitCode.READ_ONLY: "the store is read-only",
    ExitCode.NO_PERMISSION: (
        "the operating system denied permission, or another user could change the store"
    ),
    ExitCode.UNAVAILABLE: (
        "the store cannot be used: it is missing or busy, a newer version made it, an I/O error"
        " occurred, or the system lacks threads, memory or open files"
    ),
    ExitCode.ACCESS_DENIED: "a registry refused the credentials, or the action",
    ExitCode.REGISTRY_UNAVAILABLE: (
        "a registry cannot be used: it cannot be reached, is not trusted, failed, or limits the"
        " rate; or the program is offline"
    ),
    ExitCode.HUNG_UP: "the terminal was closed (SIGHUP); no partial result is left",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); no partial result is left",
    ExitCode.BROKEN_PIPE: "the reader closed the pipe",
    ExitCode.TERMINATED: "terminated (SIGTERM); no partial result is left",
}


def exit_code(error: StoreError) -> ExitCode:
    """Return the exit code of the error's class, or of its nearest base class in the table."""
    import remote.errors  # noqa: PLC0415 - only when something failed
    from store import errors  # noqa: PLC0415

    table: dict[type[StoreError], ExitCode] = {
        errors.NotFound: ExitCode.NOT_FOUND,
        errors.InvalidInput: ExitCode.INVALID_INPUT,
        errors.IntegrityError: ExitCode.CORRUPT,
        errors.Conflict: ExitCode.CONFLICT,
        errors.StorageFull: ExitCode.STORAGE_FULL,
        errors.ReadOnlyStore: ExitCode.READ_ONLY,
        errors.PermissionDenied: ExitCode.NO_PERMISSION,
        errors.Unavailable: ExitCode.UNAVAILABLE,
        remote.errors.AccessDenied: ExitCode.ACCESS_DENIED,
        remote.errors.RegistryUnavailable: ExitCode.REGISTRY_UNAVAILABLE,
    }
    return next((table[known] for known in type(error).__mro__ if known in table), ExitCode.FAILURE)
