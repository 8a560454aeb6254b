"""The work of `sync`: reading files, connecting to registries, and the report."""

from __future__ import annotations

import secrets
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click

from remote.auth.credentials import Credentials
from remote.http.budgets import DEFAULT_RESERVE, Budgets
from remote.registry.event_loop import EventLoopThread
from remote.sync.destinations import Destination, sent_to
from remote.sync.files.recognition import name_of, read_sync_file
from remote.sync.files.yaml_tree import MAX_BYTES
from remote.sync.options import KIND, SyncOptions
from remote.sync.report import Became
from remote.sync.run import StoreSync
from remote.sync.sources import USUAL, Access, Parts
from store import Platform
from store.files.text_files import decode_text, read_text_file
from storectl.commands._remote import connection_in
from storectl.commands.pull import opened_store
from storectl.output import render
from storectl.output.bars import Bars
from storectl.output.exit_codes import exit_code
from storectl.output.failures import print_error
from storectl.output.progress import progress
from storectl.output.remedies import hints, note_lines
from storectl.output.units import human_size
from storectl.system.malloc import keep_freed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from remote.http.budgets import Reserve
    from remote.registry.repository import Repository
    from remote.sync.report import SyncedImage
    from remote.sync.sources import SyncFile
    from store.errors import StoreError
    from store.model.references import Reference
    from storectl.commands._remote import Connection, RemoteOptions
    from storectl.settings import Settings

_RUN_BYTES = 6
_CHANGED = (Became.PULLED, Became.SENT, Became.REMOVED)
_SHOWN = (Became.PULLED, Became.SENT, Became.REMOVED, Became.UNSIGNED, Became.LEFT)
_STDIN = Path("-")


@final
@dataclass(frozen=True, slots=True)
class SyncingOptions:
    """The options of `sync`."""

    is_plan: bool
    prunes: bool
    max_age: timedelta
    keeps_going: bool
    quiet: bool
    wanted: tuple[str, ...]
    all_platforms: bool
    referrers: bool
    jobs: int
    verifies: bool
    as_json: bool
    to: str | None = None
    is_scoped: bool = False
    rate_reserve: Reserve = DEFAULT_RESERVE

    def parts(self) -> Parts:
        """Return what of an image is taken if a file does not say."""
        return Parts(
            tuple(Platform.parse(text) for text in self.wanted),
            self.all_platforms,
            self.referrers,
        )


def sync(
    settings: Settings, paths: Sequence[Path], options: SyncingOptions, remote: RemoteOptions
) -> None:
    """Sync files, and end the command with the exit code of the first failure.

    Args:
        settings: The settings of the run.
        paths: The files; ``-`` is standard input.
        options: What is synced, and what is printed.
        remote: How registries are reached.

    Raises:
        InvalidInput: A file is not valid; nothing was changed.
        StoreError: The store cannot be opened.
    """
    keep_freed()
    budgets = Budgets(options.rate_reserve, settings.now)
    remote = replace(remote, budgets=budgets)
    files = [_read(path, settings.environment) for path in paths]
    if options.to is not None:
        destination = Destination.parse(options.to, is_scoped=options.is_scoped)
        files = [sent_to(file, destination) for file in files]
    reports = [_Report(file, options, secrets.token_hex(_RUN_BYTES)) for file in files]
    with (
        ExitStack() as stack,
        EventLoopThread() as loop,
        _Connections(loop, settings, options.jobs, remote) as connections,
        opened_store(settings, dry_run=options.is_plan) as store,
    ):
        if options.as_json:
            # What was done before an interruption is printed as well.
            stack.callback(_print_json, reports)
        for file in files:
            connections.open(file)
        bars = Bars()
        for file, report in zip(files, reports, strict=True):
            run = StoreSync(
                store,
                connections.connect,
                loop,
                SyncOptions(
                    run=report.run,
                    machine=Platform.of("linux", settings.machine),
                    parts=options.parts(),
                    jobs=options.jobs,
                    max_age=options.max_age,
                    is_plan=options.is_plan,
                    prunes=options.prunes,
                    verifies=options.verifies,
                ),
                bars,
                connections.push_repository,
                budgets,
            )
            report.note(file.notes)
            for outcome in _waited_for(run.run(file), bars, quiet=options.quiet or options.as_json):
                report.add(outcome)
                if outcome.error is not None and not options.keeps_going:
                    break
            report.note(run.notes)
            report.end()
            if report.failure is not None and not options.keeps_going:
                break
    failure = next((one.failure for one in reports if one.failure is not None), None)
    if failure is not None:
        click.get_current_context().exit(exit_code(failure))


def _print_json(reports: Sequence[_Report]) -> None:
    render.document([report.document() for report in reports])


def _read(path: Path, environment: Mapping[str, str]) -> SyncFile:
    if path == _STDIN:
        data = b"" if sys.stdin is None else sys.stdin.buffer.read(MAX_BYTES + 1)
        text, name = decode_text(data, "standard input"), "standard input"
    else:
        text, name = read_text_file(path), str(path)
    return read_sync_file(text, name, name_of(str(path)), path.parent, environment)


def _waited_for(found: Iterator[SyncedImage], bars: Bars, *, quiet: bool) -> Iterator[SyncedImage]:
    """Yield the outcomes; while the next one is waited for, show bars."""
    while True:
        # The bars are erased before a line is printed.
        with progress(quiet=quiet, bars=bars):
            outcome = next(found, None)
        if outcome is None:
            return
        yield outcome


@final
class _Connections:
    """A client for each way to reach registries; use it as a context manager."""

    def __init__(
        self, loop: EventLoopThread, settings: Settings, jobs: int, remote: RemoteOptions
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._jobs = jobs
        self._remote = remote
        self._stack = ExitStack()
        self._open: dict[tuple[Access, str], Connection] = {}

    def __enter__(self) -> _Connections:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def open(self, file: SyncFile) -> None:
        """Open the clients for the sources of a file. No request is sent.

        Raises:
            StoreError: A file with settings is not valid.
        """
        for source in file.sources:
            self._open_one(source.access, source.repository.domain)
            if source.place.is_remote:
                self._open_one(source.place_access, source.place.repository.domain)

    def _open_one(self, access: Access, registry: str) -> None:
        key = _key(access, registry)
        if key in self._open:
            return
        options = self._remote
        registries: tuple[str, ...] = ()
        if access != USUAL:
            options, registries = _with_access(options, access), (registry,)
        self._open[key] = self._stack.enter_context(
            connection_in(self._loop, options, self._settings, self._jobs, registries)
        )

    def push_repository(self, access: Access, name: Reference) -> Repository:
        """Return the repository that receives an image."""
        return self._open[_key(access, name.repository.domain)].push_repository(name)

    def connect(self, access: Access) -> Callable[[Reference], Sequence[Repository]]:
        """Return the function that returns the repositories to ask for an image."""

        def repositories(name: Reference) -> Sequence[Repository]:
            # The event loop calls this, so that no client can be opened here.
            return self._open[_key(access, name.repository.domain)].pull_repositories(name)

        return repositories


def _key(access: Access, registry: str) -> tuple[Access, str]:
    """Return the key of a client. The credentials of a file are for one registry."""
    return access, "" if access == USUAL else registry


def _with_access(options: RemoteOptions, access: Access) -> RemoteOptions:
    """Return options with what a file says; options of the command line win."""
    given = options.given
    if options.creds is None and given is None and access.username:
        given = Credentials(access.username, access.password, source="the sync file")
    return replace(
        options,
        given=given,
        tls_verify=access.tls_verify if options.tls_verify is None else options.tls_verify,
        plain_http=options.plain_http or access.plain_http,
        cert_dir=options.cert_dir or access.cert_dir,
    )


@final
@dataclass(slots=True)
class _Report:
    """What is printed about the run of one file.

    Attributes:
        failure: The first failure; None if there was none.
    """

    file: SyncFile
    options: SyncingOptions
    run: str
    failure: StoreError | None = None
    _images: list[dict[str, Any]] = field(default_factory=list)
    _counts: Counter[Became] = field(default_factory=Counter)
    _bytes: int = 0
    _notes: list[str] = field(default_factory=list)

    def note(self, notes: Sequence[str]) -> None:
        """Print notes about the whole run."""
        self._notes += notes
        self._print(notes)

    def _print(self, notes: Sequence[str]) -> None:
        if not (self.options.quiet or self.options.as_json):
            for line in note_lines(notes):
                render.line(line, err=True)

    def add(self, outcome: SyncedImage) -> None:
        """Print what became of an image, unless nothing changed."""
        self._counts[outcome.became] += 1
        self._bytes += outcome.fetched_bytes
        if outcome.error is not None:
            self.failure = self.failure or outcome.error
            if not (outcome.became is Became.LEFT and self._counts[Became.LEFT] > 1):
                print_error(outcome.error)
        is_changed = outcome.became in _CHANGED
        if self.options.as_json:
            if is_changed or outcome.error is not None or not self.options.quiet:
                self._images.append(_as_json(outcome))
            return
        if self.options.quiet:
            if is_changed:
                render.line(str(outcome.target))
            return
        self._print(outcome.notes)
        if outcome.became in _SHOWN:
            render.line(_line(outcome, is_plan=self.options.is_plan))

    def end(self) -> None:
        """Print the sums of the run."""
        if self.options.as_json or self.options.quiet:
            return
        counts = ", ".join(
            f"{self._counts[one]} {_WOULD[one] if self.options.is_plan else one}"
            for one in Became
            if self._counts[one]
        )
        size = f" ({human_size(self._bytes)})" if self._bytes else ""
        run = "Plan of" if self.options.is_plan else f"{KIND}-{self.run}:"
        render.line(f"{run} {self.file.name}: {counts or 'no images'}{size}", err=True)

    def document(self) -> dict[str, Any]:
        """Return the run as JSON."""
        return {
            "Sync": self.file.name,
            "Run": None if self.options.is_plan else f"{KIND}-{self.run}",
            "Plan": self.options.is_plan,
            "Counts": {one.value: self._counts[one] for one in Became},
            "DownloadedBytes": self._bytes,
            "Images": self._images,
            "Notes": self._notes,
        }


_WOULD = {one: one.value for one in Became} | {
    Became.PULLED: "to pull",
    Became.SENT: "to send",
    Became.REMOVED: "to remove",
}


_PULLED = ("Pulled", "Would pull")


def _line(outcome: SyncedImage, *, is_plan: bool) -> str:
    name = outcome.target.familiar
    if outcome.target != outcome.origin:
        name = f"{name} from {outcome.origin.familiar}"
    if outcome.became is Became.LEFT:
        return f"Left for the next run: {name}"
    if outcome.became is Became.UNSIGNED:
        return f"Skipped: {name} has no signature"
    if outcome.became is Became.REMOVED:
        return f"{'Would untag' if is_plan else 'Untagged'}: {name}"
    digest = "" if outcome.digest is None else outcome.digest.short
    if outcome.before is None:
        why = "new"
    elif outcome.before == outcome.digest:
        why = "incomplete"
    else:
        why = f"was {outcome.before.short}"
    done, would = ("Sent", "Would send") if outcome.became is Became.SENT else _PULLED
    return (
        f"{would if is_plan else done}: {name} ({digest}, {why}):"
        f" {outcome.fetched_blobs} blob(s), {human_size(outcome.fetched_bytes)}"
    )


def _as_json(outcome: SyncedImage) -> dict[str, Any]:
    error = outcome.error
    return {
        "Source": str(outcome.origin),
        "Name": outcome.target.familiar,
        "Status": outcome.became.value,
        "Before": None if outcome.before is None else str(outcome.before),
        "Digest": None if outcome.digest is None else str(outcome.digest),
        "DownloadedBlobs": outcome.fetched_blobs,
        "DownloadedBytes": outcome.fetched_bytes,
        "PresentBlobs": outcome.present_blobs,
        "Notes": list(outcome.notes),
        "Error": None
        if error is None
        else {
            "Message": error.message,
            "Hints": list(hints(error)),
            "ExitCode": int(exit_code(error)),
        },
    }
