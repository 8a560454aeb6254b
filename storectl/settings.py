"""The settings of a run, from options, environment and defaults.

Only this module reads the clock, environment and working directory. Lower layers get them as
arguments.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, final

import click

from storectl.system import changes
from storectl.system.parameters import LOCK_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from store import Store
    from store.model.waiting import Waiting


SAVE_FORMAT_VARIABLE = "STORECTL_SAVE_FORMAT"
"""The environment variable with the default format of `save`."""


QUARANTINE_VARIABLE = "STORECTL_QUARANTINE"
"""The environment variable that says how long files stay in quarantine."""

UNDO_VARIABLE = "STORECTL_UNDO_FOR"
"""The environment variable that says for how long a collection keeps what rollbacks need."""

_MAX_AGE = timedelta(days=3650)


def utc_now() -> datetime:
    """Return the time of the wall clock, in UTC."""
    return datetime.now(UTC)


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """The resolved settings of one run."""

    root: Path
    """The folder of the store."""

    debug: bool = False
    """Whether to log each step and print tracebacks."""

    now: Callable[[], datetime] = utc_now
    """The clock, with a time zone."""

    origin: str = ""
    """Where the root comes from, as a sentence without a final period."""

    lock_timeout_s: float = LOCK_TIMEOUT_S
    """How long the run waits for a lock of another process, in seconds."""

    sleep: Callable[[float], None] = time.sleep
    """A function that waits for a number of seconds."""

    quarantine_for: timedelta | None = None
    """How long a collection keeps files that the catalogue does not know; None for 7 days."""

    undo_for: timedelta | None = None
    """How long a collection keeps what tags can be rolled back to; None for no time."""

    monotonic: Callable[[], float] = time.monotonic
    """A clock that only goes forward, in seconds."""

    machine: str = field(default_factory=lambda: os.uname().machine)
    """The processor architecture of this machine, as the kernel names it."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """The environment variables, for files of other programs and for proxies."""

    def open(
        self,
        *,
        create: bool = False,
        read_only: bool = False,
        group: int | None = None,
        on_create: Callable[[Path], None] | None = None,
        frees: bool = False,
    ) -> Store:
        """Open the store, and report on standard error if the run waits for another process.

        Args:
            create: Whether to create the store if there is none.
            read_only: Whether to refuse all changes of the store.
            group: ID of the group that shares a new store; None for a store of one user.
            on_create: Called with the folder of a new store; by default, standard error names it.
            frees: Whether the command removes content, and may use the store's reserve for that.

        Raises:
            StoreNotFound: There is no store, and ``create`` is false.
            Unavailable: The store cannot be opened.
        """
        from store import Store  # noqa: PLC0415 - `--help` does without
        from store.files.accounts import user_name  # noqa: PLC0415
        from store.model.actors import Actor  # noqa: PLC0415

        with self.explained():
            store = Store.open(
                self.root,
                create=create,
                read_only=read_only,
                group=group,
                clock=self.now,
                actor=Actor(user_name(os.getuid())),
                waiting=self.waiting(),
                on_create=on_create or report_creation,
                on_change=changes.note,
                frees=frees,
            )
        if self.quarantine_for is not None:
            store.quarantine_for = self.quarantine_for
        if self.undo_for is not None:
            store.undo_for = self.undo_for
        return store

    def waiting(self) -> Waiting:
        """Return how this run waits for the locks of other processes."""
        from store.model.waiting import Waiting  # noqa: PLC0415 - `--help` does without

        return Waiting(self.lock_timeout_s, report_wait)

    def refuse_own_files(self, output: Path | None) -> None:
        """Refuse an output that would be one of the store's own files.

        Args:
            output: The file or folder to write; None for standard output.

        Raises:
            InvalidInput: ``output`` is a file or folder of the store.
        """
        from store.workspace.root_folder import refuse_own_files  # noqa: PLC0415 - few verbs

        if output is not None:
            refuse_own_files(self.root, output)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Add to an error about a missing store where the name of its folder comes from.

        Raises:
            StoreNotFound: The block raised it.
        """
        from store.errors import StoreNotFound  # noqa: PLC0415 - `--help` does without

        try:
            yield
        except StoreNotFound as error:
            from store.workspace.root_folder import held_by_others  # noqa: PLC0415

            kind = held_by_others(self.root)
            if kind is not None:
                error.message += f": the folder holds {kind}"
            error.hint = self.origin or None
            raise


def resolve(
    root: str | None,
    environment: Mapping[str, str],
    *,
    debug: bool = False,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> Settings:
    """Return the settings of a run.

    Args:
        root: The value of ``--root`` or STORECTL_ROOT, or None.
        environment: The environment variables.
        debug: Whether the flag ``--debug`` was given.
        lock_timeout_s: How long to wait for a lock of another process, in seconds.

    Raises:
        click.UsageError: Neither the root nor a home folder is known, or
            STORECTL_QUARANTINE or STORECTL_UNDO_FOR is not an age.
    """
    return Settings(
        store_root(root, environment),
        debug,
        origin=_origin(root, environment),
        quarantine_for=_age(QUARANTINE_VARIABLE, environment),
        undo_for=_age(UNDO_VARIABLE, environment),
        lock_timeout_s=lock_timeout_s,
        environment=environment,
    )


def _age(variable: str, environment: Mapping[str, str]) -> timedelta | None:
    text = environment.get(variable)
    if not text:
        return None
    from storectl.output.units import parse_age  # noqa: PLC0415 - only with the variable

    try:
        age = timedelta(0) if text == "0" else parse_age(text)
    except ValueError as error:
        raise click.UsageError(f"{variable}: {error}") from None
    if age > _MAX_AGE:
        raise click.UsageError(f"{variable}: invalid age {text!r}: expected at most 87600h")
    return age


def _origin(given: str | None, environment: Mapping[str, str]) -> str:
    if not given:
        return "this is the default folder: neither --root nor STORECTL_ROOT names another one"
    variable = environment.get("STORECTL_ROOT")
    return f"{'STORECTL_ROOT' if given == variable else '--root'} names this folder"


def store_root(given: str | None, environment: Mapping[str, str]) -> Path:
    """Return the folder of the store: ``given``, else ``storectl`` in the XDG data folder.

    A relative XDG_DATA_HOME is ignored (XDG Base Directory Specification).

    Args:
        given: The folder that the user named; None or empty if the user named none.
        environment: The environment variables.

    Raises:
        click.UsageError: No folder was given, and there is no home folder.
    """
    if given:
        return Path(given)
    data = environment.get("XDG_DATA_HOME", "")
    if data.startswith("/"):
        return Path(data) / "storectl"
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        raise click.UsageError(
            "cannot choose a folder for the store: HOME is not set. Give --root DIR, or set"
            " STORECTL_ROOT"
        )
    return Path(home) / ".local" / "share" / "storectl"


def log_to_standard_error() -> None:
    """Print log messages of every level on standard error."""
    import logging  # noqa: PLC0415 - only then
    import sys  # noqa: PLC0415

    logging.basicConfig(
        level=logging.DEBUG, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )


def report_wait(owner: str) -> None:
    """Print on standard error that the run waits for another process.

    Args:
        owner: The name of the other process's operation; empty if it is unknown.
    """
    from storectl.output import messages  # noqa: PLC0415

    messages.note(f"waiting for {owner or 'another process'}…")


def report_creation(root: Path) -> None:
    """Print on standard error that a store was created.

    Args:
        root: The folder of the new store.
    """
    from storectl.output import messages  # noqa: PLC0415

    messages.note(f"created a store in {root}")
