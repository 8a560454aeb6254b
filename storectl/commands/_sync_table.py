"""The syncs of `serve`: ``--sync FILE``, or tables `[[sync]]` of the settings file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import click

from storectl.commands._programs import absolute, program
from storectl.commands._remote_options import Rate
from storectl.commands._requests import Requests
from storectl.commands._scrub_options import Age
from storectl.commands._settings_file import TableError
from storectl.system.parameters import FilePath, WholeNumber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mirror.jobs.schedule import Schedule
    from mirror.jobs.syncs import ScheduledSync
    from storectl.settings import Settings

MIN_EVERY: Final = timedelta(minutes=1)
"""The shortest interval between the runs of a sync."""

MAX_SYNCS: Final = 256
"""`store.catalog.upstream.sync_runs.MAX_SYNCS`."""

_MAX_TIMES: Final = 24
_MAX_PLATFORMS: Final = 100
_TIME: Final = re.compile(r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})")
_FLAGS: Final = (*("prune", "verify", "all-platforms", "referrers", "tls-verify", "plain-http"),)
_PATHS: Final = ("file", "authfile", "cert-dir")
_TYPES: Final[Mapping[str, click.ParamType[Any]]] = {
    "every": Age(MIN_EVERY),
    "max-age": Age(),
    "limit-rate": Rate(),
    "jobs": WholeNumber(1, 64),
    "retry": WholeNumber(0, 100),
    "rate-reserve": Requests(),
}
_KEYS: Final = (*_PATHS, *_FLAGS, *_TYPES, "at", "platforms")


@final
@dataclass(frozen=True, slots=True)
class SyncTable:
    """A sync that a server runs.

    Attributes:
        file: The sync file.
        every: The time from the beginning of a run to the next one; None for that of the server,
            or for times of the day.
        at: The times of the day.
        options: The options of `storectl sync`.
        authfile: The one file with credentials; None for the usual ones.
    """

    file: Path
    every: timedelta | None = None
    at: tuple[time, ...] = ()
    options: tuple[str, ...] = ()
    authfile: Path | None = None

    @classmethod
    def parse(cls, table: Mapping[str, object], folder: Path) -> SyncTable:
        """Return the values of a table.

        Args:
            table: The table.
            folder: The folder that paths are relative to.

        Raises:
            TableError: A key or a value is not valid.
        """
        for key in table:
            if key not in _KEYS:
                raise TableError(key, f"unknown setting {key[:80]!r} of a sync")
        if "file" not in table:
            raise TableError("", "a sync needs a file, such as file = 'images.yaml'")
        values = {key: _value(key, table[key], folder) for key in table}
        if "every" in values and "at" in values:
            raise TableError("at", "every and at exclude each other")
        if "all-platforms" in values and "platforms" in values:
            raise TableError("platforms", "platforms and all-platforms exclude each other")
        if values.get("every") == timedelta(0):
            raise TableError("every", "invalid every: expected at least 60s")
        return cls(
            values["file"],
            values.get("every"),
            values.get("at", ()),
            tuple(_words(values, table)),
            values.get("authfile"),
        )

    def schedule(self, every: timedelta) -> Schedule:
        """Return when the sync runs.

        Args:
            every: The interval of a sync that does not say it.
        """
        from mirror.jobs.schedule import Schedule  # noqa: PLC0415 - `--help` does without

        return Schedule(None if self.at else self.every or every, self.at)

    def name(self, settings: Settings) -> str:
        """Return the name of the sync, after a check of its files.

        Args:
            settings: The settings of the run.

        Raises:
            click.UsageError: A file is missing, cannot be read, or is not valid.
        """
        from remote.sync.files.recognition import (  # noqa: PLC0415 - `--help` does without
            name_of,
            read_sync_file,
        )
        from store.errors import StoreError  # noqa: PLC0415
        from store.files.text_files import read_text_file  # noqa: PLC0415
        from storectl.commands._remote import RemoteOptions  # noqa: PLC0415

        path = self.file
        try:
            text = read_text_file(path)
            name = name_of(str(path))
            found = read_sync_file(text, str(path), name, path.parent, settings.environment)
            if self.authfile is not None:
                # A file that is not valid would fail in every run; so would one that is missing.
                read_text_file(self.authfile)
                stored = RemoteOptions(authfile=self.authfile).stored_credentials(settings)
                for source in found.sources:
                    stored.credentials_for(source.repository.domain, source.repository.path)
        except StoreError as exc:
            hint = f"; {exc.hint}" if exc.hint else ""
            raise click.UsageError(f"--sync: {exc.message}{hint}") from None
        return found.name


@final
class SyncValue(click.ParamType[SyncTable]):
    """The file of ``--sync``, or a table of the settings file."""

    name = "FILE"
    is_path = True

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> SyncTable:
        """Return the sync of a file; an invalid path ends the command."""
        if isinstance(value, SyncTable):
            return value
        return SyncTable(FilePath(path_type=Path).convert(value, param, ctx))

    def from_table(self, table: Mapping[str, object], folder: Path) -> SyncTable:
        """Return the value of a table of the settings file.

        Raises:
            TableError: A key or a value is not valid.
        """
        return SyncTable.parse(table, folder)


def scheduled(
    tables: Sequence[SyncTable], every: timedelta, settings: Settings
) -> tuple[ScheduledSync, ...]:
    """Return the syncs of a server.

    Args:
        tables: The syncs of the options.
        every: The interval of the syncs that do not say it.
        settings: The settings of the run.

    Raises:
        click.UsageError: A file is not valid, or two syncs have the same name.
    """
    from mirror.jobs.syncs import ScheduledSync  # noqa: PLC0415 - `--help` does without

    found: dict[str, ScheduledSync] = {}
    for one in tables:
        name = one.name(settings)
        if name in found:
            raise click.UsageError(
                f"--sync: two syncs have the name {name}, by which a store remembers what they"
                " have seen: write another `name:` into one of the files"
            )
        if len(found) >= MAX_SYNCS:
            raise click.UsageError(f"--sync: more than {MAX_SYNCS} syncs are given")
        found[name] = ScheduledSync(name, one.schedule(every), _command(one, settings.root))
    return tuple(found.values())


def _command(table: SyncTable, root: Path) -> tuple[str, ...]:
    """Return the program that runs a sync; it reports what changed and what failed."""
    words = ("--json", "--quiet", *table.options, "--", absolute(table.file))
    return program(root, "sync", *words)


def _value(key: str, value: object, folder: Path) -> Any:  # noqa: ANN401 - one type for each key
    if key in _FLAGS:
        if not isinstance(value, bool):
            raise TableError(key, f"invalid {key}: expected true or false")
        return value
    if key == "platforms":
        return _texts(key, value, _MAX_PLATFORMS, _platform)
    if key == "at":
        return _texts(key, value, _MAX_TIMES, _time)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TableError(key, f"invalid {key}: expected a string or a whole number")
    if key in _PATHS:
        path = Path(str(value)).expanduser()
        return Path(os.path.join(folder, path))  # noqa: PTH118 - keeps `..`
    try:
        return _TYPES[key].convert(str(value), None, None)
    except click.BadParameter as error:
        raise TableError(key, f"invalid {key}: {error.message}") from None


def _words(values: Mapping[str, Any], table: Mapping[str, object]) -> Iterator[str]:
    """Yield the options of `storectl sync` that the values of a table mean."""
    for key, value in values.items():
        if key in _FLAGS:
            yield from [f"--{key}"] if value else ["--no-tls-verify"] * (key == "tls-verify")
        elif key == "platforms":
            yield from (f"--platform={one}" for one in value)
        elif key in {"authfile", "cert-dir"}:
            yield f"--{key}={value}"
        elif key not in {"file", "every", "at"}:
            yield f"--{key}={table[key]}"


def _texts(key: str, value: object, most: int, convert: Callable[[str], Any]) -> tuple[Any, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise TableError(key, f"invalid {key}: expected a string or a list of strings")
    if not 1 <= len(found) <= most:
        raise TableError(key, f"invalid {key}: expected 1 to {most} of them")
    try:
        return tuple(convert(one) for one in found)
    except ValueError as error:
        raise TableError(key, f"invalid {key}: {error}") from None


def _time(text: str) -> time:
    match = _TIME.fullmatch(text)
    try:
        if match is not None:
            return time(int(match["hour"]), int(match["minute"]))
    except ValueError:
        pass
    raise ValueError(f"expected a time of the day such as 03:30, found {text[:80]!r}")


def _platform(text: str) -> str:
    from store import Platform  # noqa: PLC0415 - `--help` does without
    from store.errors import StoreError  # noqa: PLC0415

    try:
        Platform.parse(text)
    except StoreError as exc:
        raise ValueError(exc.message) from None
    return text
