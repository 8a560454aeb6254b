"""``scrub``, the same as ``fsck --scrub``: stored bytes are read again, at a rate, and resumed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from storectl.commands._scrub_options import Age, Rate
from storectl.output.units import human_size
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from datetime import timedelta

    from store.maintenance.reports import Finding
    from store.maintenance.scrub import ScrubReport
    from storectl.output.exit_codes import ExitCode
    from storectl.settings import Settings

_DIGITS = 4
"""Significant digits of sizes, as in docker's totals."""


@click.command(
    "scrub", cls=Verb, examples=("storectl scrub", "storectl scrub --rate 50 --max-age 720h")
)
@click.option(
    "--rate",
    type=Rate(),
    metavar="MB/s",
    help="Read at most this many megabytes per second, such as 50 or 500kB.",
)
@click.option(
    "--max-age",
    type=Age(),
    metavar="AGE",
    help="Skip content that was checked within this time, such as 720h.",
)
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    rate: int | None,
    max_age: timedelta | None,
    quiet: bool,
    as_json: bool,
) -> ExitCode:
    """Read all stored bytes again, and compare them with their digests.

    The store remembers when each content was last checked: at its import or push, and by each
    scrub. The content that was not checked for longest comes first. If a scrub is interrupted, the
    next one continues it; with --max-age it skips what was checked within that time.

    Damaged content is marked, so that it is not served, and the marks of sound content are removed.
    `storectl fsck` also checks the catalogue and the links between contents. `storectl serve`
    scrubs its store by itself (--scrub-every).

    Exit code 5 means that there are errors, and 10 that content could not be read, without other
    errors, or that another process is scrubbing the store.
    """
    return run(settings, rate=rate, max_age=max_age, quiet=quiet, as_json=as_json)


def run(
    settings: Settings,
    *,
    rate: int | None,
    max_age: timedelta | None,
    quiet: bool,
    as_json: bool,
) -> ExitCode:
    """Scrub the store, and print the findings and a summary.

    Args:
        settings: The settings of this run.
        rate: The most bytes per second; None for no limit.
        max_age: Skip content that was checked within this time; None to check everything.
        quiet: Whether to show no progress.
        as_json: Whether to print one JSON document instead of lines.
    """
    from store.maintenance.pace import Pace  # noqa: PLC0415 - `--help` does without
    from store.maintenance.scrub import Scrub, checked_content  # noqa: PLC0415
    from storectl.commands import _findings  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415

    findings: list[Finding] = []
    with settings.open() as store:
        with ExitStack() as shown:
            bars = shown.enter_context(progress(quiet=quiet or as_json))
            pace = Pace(rate, clock=settings.monotonic, sleep=settings.sleep)
            scrub = Scrub(store, pace, bars, max_age=max_age)
            for one in scrub.run():
                findings.append(one)
                if not as_json:
                    shown.close()  # The bars would overwrite the line on a terminal.
                    render.line(_findings.line_of(one))
        checked = checked_content(store)
    report = scrub.report
    skipped = max(0, checked.contents - report.seen)
    errors = _findings.errors_of(findings)
    if as_json:
        render.document(
            {
                "Checked": {"Contents": {"TotalCount": report.contents, "Size": report.size_bytes}},
                "Skipped": skipped,
                "ResumedFrom": render.time(report.resumed_from),
                "Oldest": render.time(checked.oldest),
                "Damaged": checked.damaged,
                "Findings": [_findings.as_json(one) for one in findings],
            }
        )
    else:
        _findings.print_hints(findings)
        for text in _summary(report, len(findings), len(errors), skipped):
            render.line(text)
    return _findings.exit_code(errors)


def _summary(report: ScrubReport, findings: int, errors: int, skipped: int) -> list[str]:
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    size = human_size(report.size_bytes, _DIGITS)
    lines = []
    if report.resumed_from is not None:
        lines.append(f"continued: the scrub that began {render.local_time(report.resumed_from)}")
    if skipped:
        lines.append(f"skipped: {skipped} content(s) that were checked recently")
    lines.append(
        f"{findings} finding(s), including {errors} error(s); read {report.contents} content(s),"
        f" {size}"
        if findings
        else f"clean: read {report.contents} content(s), {size}; all have their digests"
    )
    return lines
