"""``fsck --repair``: bring back lost content, and say what cannot be saved."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from storectl.output.units import human_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from store.repair.run import RepairReport, Source
    from storectl.commands._remote import Connection, RemoteOptions
    from storectl.output.exit_codes import ExitCode
    from storectl.settings import Settings

_DIGITS: Final = 4
"""Significant digits of sizes, as in docker's totals."""

_REGISTRY: Final = "docker://"

_ROWS: Final = {
    "indexes": "the indexes of the catalogue",
    "content": "the size",
    "layer": "the layer",
    "image": "the image",
    "label": "the labels",
    "manifest": "the manifest",
    "manifest_edge": "the links",
    "encoding": "the encoding",
}
"""What the rows of a table are, for the user."""

_SHOWN: Final = 10
"""The most names on one line."""


def run(
    settings: Settings,
    *,
    sources: Sequence[str],
    remote: RemoteOptions,
    drop: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> ExitCode:
    """Repair the store; print what was found, what was restored, and what is lost.

    Args:
        settings: The settings of this run.
        sources: Archives, folders, stores and images in registries that may have lost content;
            ``-`` for standard input.
        remote: How registries are reached.
        drop: Whether to remove what cannot be saved.
        dry_run: Whether to show only what would be done.
        quiet: Whether to show no progress.
        as_json: Whether to print one JSON document instead of lines.
    """
    from store.maintenance.reports import Finding  # noqa: PLC0415 - `--help` does without
    from store.repair.contents import Restored  # noqa: PLC0415
    from store.repair.rows import Rebuilt  # noqa: PLC0415
    from store.repair.run import Repair, RepairOptions, errors_left  # noqa: PLC0415
    from storectl.commands import _findings  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415

    with ExitStack() as opened, settings.open() as store, ExitStack() as shown:
        donors = tuple(_sources(sources, settings, remote, opened))
        options = RepairOptions(donors, drop=drop, dry_run=dry_run)
        bars = shown.enter_context(progress(quiet=quiet or as_json))
        repair = Repair(store, options, bars)
        for one in repair.run():
            if as_json:
                continue
            shown.close()  # The bars would overwrite the line on a terminal.
            if isinstance(one, Rebuilt):
                verb = "would rebuild" if dry_run else "rebuilt"
                about = "" if one.digest is None else f" of {one.digest}"
                render.line(f"{verb}: {_ROWS[one.table]}{about}")
            elif isinstance(one, Finding):
                render.line(_findings.line_of(one))
            elif isinstance(one, Restored):
                verb = "would restore" if dry_run else "restored"
                size = human_size(one.size_bytes, _DIGITS)
                render.line(f"{verb}: {one.role.value} {one.digest}, {size}, from {one.donor}")
            else:
                render.line(f"lost: {one.digest}{_needed_by(one.names)}")
    report = repair.report
    left = errors_left(report)
    if as_json:
        render.document(_as_json(report))
    else:
        for line in _summary(report, len(left)):
            render.line(line)
        for hint in _hints(report, has_sources=bool(sources), drop=drop):
            render.line(f"hint: {hint}", err=True)
    return _findings.exit_code(left)


def _sources(
    names: Sequence[str], settings: Settings, remote: RemoteOptions, opened: ExitStack
) -> Iterator[Source]:
    """Yield the donors; a client of registries stays open as long as ``opened``."""
    connection: Connection | None = None
    for name in names:
        if not name.startswith(_REGISTRY):
            yield _source(name)
            continue
        if connection is None:
            connection = opened.enter_context(remote.connected(settings))
        yield _registry(name, connection)


def _registry(name: str, connection: Connection) -> Source:
    from remote.names import RegistryImage, parse_location  # noqa: PLC0415 - one kind of source
    from remote.pulling.donor import RegistrySource  # noqa: PLC0415
    from store.repair.run import Source  # noqa: PLC0415

    location = parse_location(name)
    assert isinstance(location, RegistryImage)  # noqa: S101 - its transport says so
    reference = location.reference.with_default_tag()
    repositories = connection.pull_repositories(reference)
    return Source(name, RegistrySource(name, reference, repositories, connection.loop))


def _source(name: str) -> Source:
    from store.repair.run import Source  # noqa: PLC0415 - `--help` does without

    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise click.UsageError("--from -: standard input is a terminal, not an archive")
        return Source("standard input", sys.stdin.buffer)
    return Source(name, Path(name.removeprefix("dir:").removeprefix("oci:")))


def _needed_by(names: Sequence[str]) -> str:
    if not names:
        return ", which no image needs"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f", needed by {', '.join(names[:_SHOWN])}{more}"


def _summary(report: RepairReport, left: int) -> list[str]:
    would = "would be " if report.dry_run else ""
    lines = []
    if report.tidied:
        lines.append(
            f"{would}dropped: {report.tidied} lost file(s) whose content is stored otherwise"
        )
    lines += [
        f"would be {one.kind}: {one.name}"
        if report.dry_run
        else f"{one.kind.capitalize()}: {one.name}"
        for one in report.removed
    ]
    errors = sum(one.severity.value == "error" for one in report.found)
    if not errors and not report.restored and not report.tidied and not report.rebuilt:
        return [*lines, "clean: nothing needs a repair"]
    lines.append(
        f"{errors} error(s) found, {len(report.restored)} content(s) {would}restored,"
        f" {len(report.lost)} lost, {left} error(s) left"
    )
    return lines


def _hints(report: RepairReport, *, has_sources: bool, drop: bool) -> list[str]:
    hints = []
    if any(one.kind == "damaged-catalogue" for one in report.left):
        hints.append(
            "the tables of the catalogue are damaged: bring back a backup with `storectl restore`,"
            " or make the catalogue again with `storectl rescue`"
        )
    if report.lost:
        others = " other" if has_sources else ""
        hints.append(
            f"give{others} archives, stores or registries that may have the lost content, with"
            " --from, or pull or push the images again"
        )
        if not drop:
            hints.append(
                "give --drop to remove the images that cannot be saved; add --dry-run to see them"
                " first"
            )
    return hints


def _as_json(report: RepairReport) -> dict[str, Any]:
    from storectl.commands import _findings  # noqa: PLC0415 - `--help` does without

    return {
        "DryRun": report.dry_run,
        "Found": [_findings.as_json(one) for one in report.found],
        "Restored": [
            {
                "Digest": str(one.digest),
                "Role": one.role.value,
                "Size": one.size_bytes,
                "From": one.donor,
            }
            for one in report.restored
        ],
        "Rebuilt": [
            {"Table": one.table, "Digest": None if one.digest is None else str(one.digest)}
            for one in report.rebuilt
        ],
        "Dropped": report.tidied,
        "Lost": [{"Digest": str(one.digest), "NeededBy": list(one.names)} for one in report.lost],
        "Removed": [{one.kind.capitalize(): one.name} for one in report.removed],
        "Findings": [_findings.as_json(one) for one in report.left],
    }
