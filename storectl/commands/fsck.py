"""``fsck`` (``verify``): a check of the catalogue and of all stored content."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from storectl.commands._remote_options import remote_options
from storectl.commands._scrub_options import max_age_option, rate_option
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from store.maintenance.fsck.verdicts import Checked
    from store.maintenance.reports import Finding
    from store.model.progress import Progress
    from storectl.commands._remote import RemoteOptions
    from storectl.output.exit_codes import ExitCode
    from storectl.settings import Settings


@click.command("fsck", cls=Verb, examples=("storectl fsck", "storectl fsck --scrub --rate 50"))
@click.option(
    "--scrub",
    is_flag=True,
    help="Only compare stored bytes with their digests, the oldest check first (`storectl scrub`).",
)
@click.option(
    "--repair",
    is_flag=True,
    help="Bring back lost content, from the store itself and from the sources of --from.",
)
@click.option(
    "--from",
    "sources",
    metavar="SOURCE",
    multiple=True,
    help=(
        "With --repair: an archive or folder that `import` reads, the root of another store,"
        " docker://IMAGE in a registry, or - for an archive on standard input (repeatable)."
    ),
)
@click.option(
    "--drop",
    is_flag=True,
    help="With --repair: remove the tags and images that cannot be saved.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help=(
        "With --repair: only show what would be restored and removed. Marks of damage are written,"
        " as by every check."
    ),
)
@rate_option
@max_age_option
@remote_options
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress.")
@json_option
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    scrub: bool,
    repair: bool,
    sources: tuple[str, ...],
    drop: bool,
    dry_run: bool,
    rate: int | None,
    max_age: timedelta | None,
    remote: RemoteOptions,
    quiet: bool,
    as_json: bool,
) -> ExitCode:
    """Check the catalogue, all stored bytes and all links; list the findings.

    The catalogue is checked first: its log, its pages and indexes, and whether its values make
    sense. Then all bytes are compared with their digests, and all rows with the documents that they
    describe. A damaged catalogue is only read.

    Exit code 5 means that something is damaged, missing or wrong, and 10 that content could not be
    read, without other errors. Each finding is printed when it is found. With --json, the output
    also has how much of each kind was checked.
    """
    if repair and scrub:
        raise click.UsageError("--repair and --scrub exclude each other")
    if not repair and (sources or drop or dry_run):
        raise click.UsageError("--from, --drop and --dry-run need --repair")
    if scrub:
        from storectl.commands.scrub import run  # noqa: PLC0415 - `--help` does without

        return run(settings, rate=rate, max_age=max_age, quiet=quiet, as_json=as_json)
    if rate is not None or max_age is not None:
        raise click.UsageError("--rate and --max-age need --scrub")
    if repair:
        from storectl.commands._repair import run as run_repair  # noqa: PLC0415

        return run_repair(
            settings,
            sources=sources,
            remote=remote,
            drop=drop,
            dry_run=dry_run,
            quiet=quiet,
            as_json=as_json,
        )
    from store.maintenance.fsck.verdicts import Checked  # noqa: PLC0415 - `--help` does without
    from storectl.commands import _findings  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415

    checked = Checked()
    output = _findings.Json(checked) if as_json else _findings.Lines()
    with output, ExitStack() as shown:
        bars = shown.enter_context(progress(quiet=quiet or as_json))
        for one in _all_findings(settings, bars, checked):
            # Print it now: the check may take hours, and it may not reach its end.
            shown.close()  # The bars would overwrite the line on a terminal.
            output.add(one)
    return output.exit_code


def _all_findings(settings: Settings, bars: Progress, checked: Checked) -> Iterator[Finding]:
    """Check the catalogue before the store is opened, and then everything else."""
    from store.db.faults import FaultKind  # noqa: PLC0415
    from store.errors import StoreError  # noqa: PLC0415
    from store.maintenance.fsck.database import catalogue_findings, unopened  # noqa: PLC0415

    is_damaged, has_our_tables = False, True
    with settings.explained():
        for one in catalogue_findings(settings.root):
            is_damaged = True
            has_our_tables &= one.kind != FaultKind.SCHEMA
            yield one
    if not has_our_tables:
        # No statement of this program fits the tables. A foreign database is refused with the way
        # back.
        with settings.open(read_only=True):
            return
    try:
        # A change could make a damaged catalogue worse, and forget what is behind a damaged log.
        store = settings.open(read_only=is_damaged)
    except StoreError as exc:
        if not is_damaged:
            raise
        yield unopened(exc)
        return
    with store:
        yield from store.fsck(bars, checked, with_catalogue=False)
