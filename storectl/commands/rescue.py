"""``rescue``: a new catalogue for a store that has lost it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.output.exit_codes import ExitCode
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from store.rescue.report import RescueReport
    from storectl.settings import Settings


@click.command("rescue", cls=Verb, examples=("storectl rescue --dry-run", "storectl rescue"))
@click.option("--dry-run", is_flag=True, help="Only show what would be rescued, and what is lost.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace a catalogue that is sound. Its history and all newer changes are lost.",
)
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress.")
@json_option
@click.pass_obj
def command(
    settings: Settings, *, dry_run: bool, force: bool, quiet: bool, as_json: bool
) -> ExitCode:
    """Make the catalogue of a store again, if store.db is lost or damaged.

    The new catalogue has the images, tags and repositories that the copy of the documents in the
    store's folder "documents" has. Every stored file is read and compared with its digest, and
    layers are decoded to find out what they are. Lost are the history (events and changes of tags),
    uploads in progress, and all changes after the last recorded one.

    The old store.db is moved into the folder "quarantine" and never removed. Stop all programs that
    use the store first. A rescue that was interrupted can be run again. If there is a newer backup,
    `storectl restore` loses less.

    Exit code 5 means that something is lost besides the history.
    """
    from store.rescue.run import rescue  # noqa: PLC0415 - `--help` does without
    from storectl.output.progress import progress  # noqa: PLC0415
    from storectl.system import changes  # noqa: PLC0415

    if not dry_run:
        changes.note()
    with progress(quiet=quiet or as_json) as bars:
        report = rescue(
            settings.root,
            progress=bars,
            waiting=settings.waiting(),
            dry_run=dry_run,
            force=force,
            clock=settings.now,
        )
    if as_json:
        _document(report)
    else:
        _show(report)
    return ExitCode.CORRUPT if report.losses else ExitCode.OK


def _document(report: RescueReport) -> None:
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    render.document(
        {
            "DryRun": report.is_dry_run,
            "Images": report.images,
            "Manifests": report.manifests,
            "Tags": report.tags,
            "Repositories": report.repositories,
            "Layers": report.layers,
            "Files": report.files,
            "UnknownFiles": {"TotalCount": report.unknown_files, "Size": report.unknown_bytes},
            "RecordedUntil": None if report.until is None else render.time(report.until),
            "SetAside": report.set_aside,
            "Losses": [
                {"Kind": one.kind.value, "Subject": one.subject, "Reason": one.reason}
                for one in report.losses
            ],
        }
    )


def _show(report: RescueReport) -> None:
    from store.errors import printable  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.units import human_size  # noqa: PLC0415

    for one in report.losses:
        render.line(f"lost: {one.kind.value} {printable(one.subject)}: {printable(one.reason)}")
    verb = "Would rescue" if report.is_dry_run else "Rescued"
    render.line(
        f"{verb}: {report.images} image(s), {report.tags} tag(s), {report.manifests} manifest(s),"
        f" {report.layers} layer(s)"
    )
    if report.unknown_files:
        render.line(
            f"Unknown: {report.unknown_files} file(s), {human_size(report.unknown_bytes)}: no"
            " document names them"
        )
    if report.until is not None:
        render.line(
            f"The documents were last recorded at {render.time(report.until)}: changes after"
            " that are lost, and so is the history"
        )
    if report.set_aside:
        render.line(f"The old catalogue is in {report.set_aside}")
