"""``restore``: a new store from a backup."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from storectl.commands._backups import (
    STANDARD,
    blobs_and_size,
    faults_as_json,
    generation_as_json,
    is_folder,
    opened_archive,
    show_faults,
)
from storectl.output.exit_codes import ExitCode
from storectl.output.units import parse_moment
from storectl.system import changes
from storectl.system.groups import shared_option
from storectl.system.parameters import FilePath
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from store.backup.generation import Generation
    from store.backup.report import Fault, RestoreReport
    from store.backup.repository import Repository
    from store.backup.sources import Source
    from store.model.waiting import Waiting
    from storectl.settings import Settings

logger = logging.getLogger(__name__)


@click.command(
    "restore",
    cls=Verb,
    examples=(
        "storectl --root /srv/new restore /mnt/backups/storectl",
        "storectl --root /srv/new restore --at 2026-01-31 /mnt/backups/storectl",
        "ssh host 'cat storectl.tar' | storectl --root /srv/new restore -",
    ),
)
@click.option("--generation", metavar="ID", help="Restore this generation.  [default: the newest]")
@click.option(
    "--at",
    metavar="TIME",
    help="Restore the newest generation from that time or before: a date, or an age such as 24h.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Make the store even if content is damaged or missing in the backup.",
)
@shared_option
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress and notes.")
@json_option
@click.argument("place", metavar="DIR|FILE", type=FilePath(dash=True))
@click.pass_obj
def command(
    settings: Settings,
    *,
    generation: str | None,
    at: str | None,
    partial: bool,
    group: int | None,
    quiet: bool,
    as_json: bool,
    place: str,
) -> ExitCode:
    """Make a new store from a backup: a folder of backups, an archive, or - for standard input.

    The root must be new or empty; --root names it. All content is checked against its digest. The
    store appears when it is complete. If the restore is interrupted, run it again to continue.
    Without --partial, a backup with damaged content makes no store (exit code 5).
    """
    from store.backup.restore import Incomplete, restore  # noqa: PLC0415 - `--help` does without
    from storectl.output.progress import progress  # noqa: PLC0415

    if generation is not None and at is not None:
        raise click.UsageError("--generation and --at exclude each other")
    moment = _moment(at, settings)
    with ExitStack() as stack:
        source = _source(stack, place, generation, moment, settings.waiting())
        changes.note()
        try:
            with progress(quiet=quiet or as_json) as bars:
                report = restore(
                    settings.root,
                    source,
                    group=group,
                    partial=partial,
                    progress=bars,
                    now=settings.now,
                )
        except Incomplete as exc:
            if as_json:
                _document(settings, source.generation, None, exc.faults)
            else:
                show_faults(exc.faults, "error")
            raise
    _copy_documents(settings)
    if as_json:
        _document(settings, report.generation, report, report.faults)
    else:
        _show(settings, report, quiet=quiet)
    return ExitCode.CORRUPT if report.faults else ExitCode.OK


def _copy_documents(settings: Settings) -> None:
    """Write the document log of the new store, which a backup does not have.

    So `rescue` works from the beginning. The catalogue of an older program gets its log after the
    upgrade, with later changes.
    """
    from store import Store  # noqa: PLC0415 - `--help` does without
    from store.errors import StoreError, printable  # noqa: PLC0415
    from store.maintenance import document_log  # noqa: PLC0415

    try:
        if Store.schema_state(settings.root).is_current:
            with settings.open() as store:
                document_log.refresh(store)
    except StoreError as exc:
        # The store is complete.
        logger.warning("cannot write the copy of the documents: %s", printable(exc.message))


def _moment(at: str | None, settings: Settings) -> datetime | None:
    try:
        return None if at is None else parse_moment(at, settings.now())
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None


def _source(
    stack: ExitStack,
    place: str,
    generation: str | None,
    moment: datetime | None,
    waiting: Waiting,
) -> Source:
    """Open a backup, and choose its generation."""
    from store.backup.repository import Repository  # noqa: PLC0415 - `--help` does without
    from store.backup.sources import ArchiveSource, FolderSource  # noqa: PLC0415

    if place == STANDARD or (Path(place).exists() and not is_folder(place)):
        if generation is not None or moment is not None:
            raise click.UsageError(
                "--generation and --at need a folder: an archive has one generation"
            )
        file, seekable = stack.enter_context(opened_archive(place))
        return ArchiveSource(file, place, seekable=seekable)
    repository = Repository.open(Path(place))
    stack.enter_context(repository.locked(exclusive=False, waiting=waiting))
    return FolderSource(repository, generation or _newest(repository, moment))


def _newest(repository: Repository, moment: datetime | None) -> str:
    from store.errors import NotFound  # noqa: PLC0415 - `--help` does without

    for name in reversed(repository.names()):
        if moment is None or repository.generation(name).created <= moment:
            return name
    when = "" if moment is None else " from that time or before"
    raise NotFound(
        f"there is no generation{when} in {repository.path}",
        hint="`storectl backup --list DIR` lists the generations",
    )


def _document(
    settings: Settings,
    generation: Generation,
    report: RestoreReport | None,
    faults: Sequence[Fault],
) -> None:
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    copied = (0, 0) if report is None else (report.copied_blobs, report.copied_bytes)
    render.document(
        {
            "Root": str(settings.root),
            "Restored": report is not None,
            **generation_as_json(generation),
            "Copied": {"TotalCount": copied[0], "Size": copied[1]},
            "Faults": faults_as_json(faults),
            "LostBefore": faults_as_json(() if report is None else report.lost_before),
        }
    )


def _show(settings: Settings, report: RestoreReport, *, quiet: bool) -> None:
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    show_faults(report.faults, "error")
    show_faults(report.lost_before, "warning")
    if quiet:
        return
    one = report.generation
    render.line(f"Restored {one.images} image(s) to {settings.root}: {one.id}")
    render.line(f"Copied: {blobs_and_size(report.copied_blobs, report.copied_bytes)}")
