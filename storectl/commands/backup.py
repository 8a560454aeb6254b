"""``backup``: a copy of the whole store, in a folder of generations or in an archive."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

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
from storectl.system.parameters import FilePath, WholeNumber
from storectl.system.pipes import is_output_closed, is_terminal, widen
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from store import Store
    from store.backup.generation import Generation
    from store.backup.report import BackupReport, CheckReport, Fault
    from store.backup.repository import Repository
    from storectl.settings import Settings


@click.command(
    "backup",
    cls=Verb,
    examples=(
        "storectl backup --keep 14 /mnt/backups/storectl",
        "storectl backup --verify /mnt/backups/storectl",
        "storectl backup --list /mnt/backups/storectl",
        "storectl backup - | ssh host 'cat > storectl.tar'",
    ),
)
@click.option(
    "--keep",
    type=WholeNumber(min=1),
    metavar="N",
    help="Keep the newest N generations of DIR, and remove older ones with their blobs.",
)
@click.option(
    "--link",
    is_flag=True,
    help=(
        "Make hard links to the files of the store. They need no space, but they share damage: what"
        " happens to a file of the store happens to the backup."
    ),
)
@click.option("--verify", is_flag=True, help="Read a whole backup again, and check every byte.")
@click.option("--list", "listing", is_flag=True, help="List the generations of a backup.")
@click.option(
    "--generation",
    "generations",
    multiple=True,
    metavar="ID",
    help="With --verify, check only this generation (repeatable).",
)
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress and notes.")
@json_option
@click.argument("place", metavar="DIR|FILE", type=FilePath(dash=True))
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    keep: int | None,
    link: bool,
    verify: bool,
    listing: bool,
    generations: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    place: str,
) -> ExitCode:
    """Back up the whole store: every image, tag and event, and their content.

    You can run this while imports, pushes, a garbage collection or a server are running. Uploads in
    progress are left out. In DIR, each backup is a generation, and the generations share their
    blobs: only new blobs are copied. An interrupted backup leaves the other generations as they
    are; run it again to continue. A name that ends with .tar, an existing file, or - for standard
    output stands for one tar archive, written as a whole.

    All content is checked against its digest when it is copied. Exit code 5 means that content of
    the store, or with --verify of the backup, is damaged or missing; 10 that it cannot be read now.
    """
    if verify and listing:
        raise click.UsageError("--verify and --list exclude each other")
    if (keep is not None or link) and (verify or listing):
        raise click.UsageError("--keep and --link belong to a backup, not to --verify or --list")
    if generations and not verify:
        raise click.UsageError("--generation needs --verify")
    if listing:
        return _list(place, as_json=as_json)
    if verify:
        return _verify(settings, place, generations, quiet=quiet, as_json=as_json)
    if place != STANDARD:
        settings.refuse_own_files(Path(place))
        if is_folder(place):
            return _to_folder(settings, place, keep=keep, link=link, quiet=quiet, as_json=as_json)
    if keep is not None or link:
        raise click.UsageError("--keep and --link need a folder")
    return _to_archive(settings, place, quiet=quiet, as_json=as_json)


# --- backups --------------------------------------------------------------------------------------


def _to_folder(
    settings: Settings, place: str, *, keep: int | None, link: bool, quiet: bool, as_json: bool
) -> ExitCode:
    from store.backup.folder_backup import FolderOptions, back_up_to_folder  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415

    options = FolderOptions(keep, link, settings.waiting())
    with settings.open() as store, progress(quiet=quiet or as_json) as bars:
        report = back_up_to_folder(store, Path(place), options, bars)
    return _show(report, place, quiet=quiet, as_json=as_json)


def _to_archive(settings: Settings, place: str, *, quiet: bool, as_json: bool) -> ExitCode:
    _require_output(place, as_json=as_json)
    with settings.open() as store:
        report = _write_archive(store, place, quiet=quiet or as_json)
    return _show(report, place, quiet=quiet, as_json=as_json)


def _write_archive(store: Store, place: str, *, quiet: bool) -> BackupReport:
    import exporter  # noqa: PLC0415 - `--help` does without
    from exporter.output.tar_stream import write_all  # noqa: PLC0415
    from store.backup.archive import planned  # noqa: PLC0415
    from store.backup.copying import FileWriter  # noqa: PLC0415
    from store.backup.space import require_space  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415

    path = None if place == STANDARD else Path(place)
    with _beside(path) as folder, planned(store, folder) as plan, progress(quiet=quiet) as bars:
        if path is None:
            raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
            widen(sys.stdout.buffer)
            from store.files.os_errors import Whose, translated  # noqa: PLC0415

            with translated("standard output", whose=Whose.OUTPUT):
                return plan.write(partial(write_all, raw), bars)
        is_plain = path.is_file() or not path.exists()
        if is_plain:
            require_space(path.parent, plan.size_bytes, 1, "the backup")
        with exporter.atomic_file(path, plan.size_bytes) as file:
            write = FileWriter(file.fileno()).write if is_plain else partial(write_all, file)
            return plan.write(write, bars)


@contextmanager
def _beside(path: Path | None) -> Iterator[Path]:
    """Yield a folder for the copy of the catalogue: beside the archive, where there is space."""
    from exporter.output.atomic_file import no_folder  # noqa: PLC0415 - `--help` does without
    from store.files.os_errors import Whose, translated  # noqa: PLC0415

    beside = None if path is None or (path.exists() and not path.is_file()) else path.parent
    if path is not None and beside is not None and not beside.is_dir():
        raise no_folder(path)
    with translated(str(beside), whose=Whose.OUTPUT):
        temporary = TemporaryDirectory(prefix=".storectl-backup-", dir=beside)
    with temporary as folder:
        yield Path(folder)


def _require_output(place: str, *, as_json: bool) -> None:
    if place != STANDARD:
        if is_terminal(Path(place)):
            raise click.UsageError(f"cannot write a backup to the terminal {place}")
        return
    if as_json:
        raise click.UsageError("--json needs a FILE: the backup goes to standard output")
    if is_output_closed():
        raise click.UsageError("cannot write a backup to standard output: it is closed")
    if sys.stdout.isatty():
        raise click.UsageError("cannot write a backup to a terminal: use a pipe, or name FILE")


def _show(report: BackupReport, place: str, *, quiet: bool, as_json: bool) -> ExitCode:
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    to_stdout = place == STANDARD
    if as_json:
        render.document(
            {
                "Output": place,
                **generation_as_json(report.generation),
                "Copied": {"TotalCount": report.new_blobs, "Size": report.new_bytes},
                "Removed": list(report.removed),
                "SpaceReclaimed": report.freed_bytes,
                "Faults": faults_as_json(report.faults),
            }
        )
        return _code(report.faults)
    show_faults(report.faults, "error", err=to_stdout)
    if not quiet:
        one = report.generation
        target = "standard output" if to_stdout else place
        render.line(f"Backed up {one.images} image(s) to {target}: {one.id}", err=to_stdout)
        shared = one.blobs - report.new_blobs
        also = (
            f"; there already: {blobs_and_size(shared, one.blob_bytes - report.new_bytes)}"
            if shared
            else ""
        )
        copied = blobs_and_size(report.new_blobs, report.new_bytes)
        render.line(f"Copied: {copied}{also}", err=to_stdout)
        if report.removed:
            render.line(
                f"Removed: {len(report.removed)} generation(s), {report.removed[-1]} and older"
            )
    if any(one.generations for one in report.faults):
        render.line(
            "hint: nothing was removed, because it is not known what the damaged generation needs;"
            " if you do not need it, remove its folder",
            err=True,
        )
    if any(not one.generations for one in report.faults):
        render.line("hint: run `storectl fsck` to check the whole store", err=True)
    return _code(report.faults)


def _code(faults: Sequence[Fault]) -> ExitCode:
    from store.backup.report import FaultKind  # noqa: PLC0415 - `--help` does without

    if not faults:
        return ExitCode.OK
    unread = all(one.kind is FaultKind.UNREADABLE for one in faults)
    return ExitCode.UNAVAILABLE if unread else ExitCode.CORRUPT


# --- lists and checks -----------------------------------------------------------------------------


def _list(place: str, *, as_json: bool) -> ExitCode:
    from store.backup.repository import Repository  # noqa: PLC0415 - `--help` does without
    from store.backup.sources import ArchiveSource  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.units import human_size  # noqa: PLC0415

    broken: list[str] = []
    if place != STANDARD and is_folder(place):
        found, broken = _readable(Repository.open(Path(place)))
    else:
        with opened_archive(place) as (file, seekable):
            found = [ArchiveSource(file, place, seekable=seekable).generation]
    if as_json:
        render.documents(generation_as_json(one) for one in found)
        return ExitCode.CORRUPT if broken else ExitCode.OK
    render.table(
        ("GENERATION", "CREATED", "IMAGES", "BLOBS", "SIZE"),
        (
            (
                one.id,
                render.local_time(one.created),
                str(one.images),
                str(one.blobs),
                human_size(one.blob_bytes + one.catalogue.size_bytes),
            )
            for one in found
        ),
    )
    for reason in broken:
        render.line(f"error: {reason}", err=True)
    return ExitCode.CORRUPT if broken else ExitCode.OK


def _readable(repository: Repository) -> tuple[list[Generation], list[str]]:
    """Return the generations whose description is sound, and what is wrong with the others."""
    from store.errors import IntegrityError, InvalidInput, NotFound  # noqa: PLC0415

    found, broken = [], []
    for name in repository.names():
        try:
            found.append(repository.generation(name))
        except (IntegrityError, InvalidInput, NotFound) as exc:
            broken.append(exc.message)
    return found, broken


def _verify(
    settings: Settings, place: str, generations: tuple[str, ...], *, quiet: bool, as_json: bool
) -> ExitCode:
    from store.backup.checking import check_archive, check_folder  # noqa: PLC0415
    from store.backup.repository import Repository  # noqa: PLC0415 - `--help` does without
    from store.backup.sources import ArchiveSource  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415

    with progress(quiet=quiet or as_json) as bars:
        if place != STANDARD and is_folder(place):
            repository = Repository.open(Path(place))
            is_writable = os.access(repository.path, os.W_OK)
            with repository.locked(exclusive=is_writable, waiting=settings.waiting()):
                names = _chosen(repository, generations)
                report = check_folder(repository, names, bars, now=settings.now)
            to_folder = True
        else:
            if generations:
                raise click.UsageError("--generation needs a folder: an archive has one generation")
            with opened_archive(place) as (file, seekable):
                source = ArchiveSource(file, place, seekable=seekable)
                report = check_archive(source, bars, now=settings.now)
            to_folder = False
    _show_check(report, to_folder=to_folder, as_json=as_json)
    return _code(report.faults)


def _chosen(repository: Repository, generations: tuple[str, ...]) -> list[str]:
    from store.errors import NotFound  # noqa: PLC0415 - `--help` does without

    names = repository.names()
    unknown = [name for name in generations if name not in names]
    if unknown:
        raise NotFound(
            f"there is no generation {unknown[0]!r} in {repository.path}",
            hint="`storectl backup --list DIR` lists the generations",
        )
    return list(generations) or names


def _show_check(report: CheckReport, *, to_folder: bool, as_json: bool) -> None:
    from storectl.output import render  # noqa: PLC0415

    if as_json:
        document: dict[str, Any] = {
            "Generations": [generation_as_json(one) for one in report.generations],
            "Checked": {"TotalCount": report.blobs, "Size": report.blob_bytes},
            "Faults": faults_as_json(report.faults),
        }
        render.document(document)
        return
    show_faults(report.faults, "error")
    checked = blobs_and_size(report.blobs, report.blob_bytes)
    if report.faults:
        if to_folder:
            render.line(
                "hint: run `storectl backup` to the same folder again: it copies what the store"
                " still has",
                err=True,
            )
        render.line(f"{len(report.faults)} finding(s); checked: {checked}")
    else:
        render.line(f"sound: {len(report.generations)} generation(s), {checked}")
