"""Copies into the store: from registries, archives, folders, engines and other stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remote.names import DaemonImage, HostImage, RegistryImage, RegistryTree, StoredImage
from storectl.commands._far_stores import PullPlaces
from storectl.commands._import_reports import ArchiveResult
from storectl.commands.pull import (
    exit_for,
    opened_store,
    outcome_json,
    show_outcome,
    waited_for,
    write_digests,
)
from storectl.output import render
from storectl.output.exit_codes import ExitCode
from storectl.output.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remote.names import Location
    from remote.pulling.report import PullOutcome
    from store import Platform, Reference
    from store.importing.report import ImportReport
    from storectl.commands._remote import RemoteOptions
    from storectl.commands._sending import SendingOptions
    from storectl.settings import Settings


def copy_into_store(
    settings: Settings,
    giver: Location,
    text: str,
    destination: StoredImage,
    options: SendingOptions,
    remote: RemoteOptions,
) -> None:
    """Copy an image of another place into the store, under a name.

    Args:
        settings: The settings of the run.
        giver: The name of the image.
        text: The same name, as the user wrote it.
        destination: The name that the image gets.
        options: What is copied, and what is printed.
        remote: How the registry of the source is reached.

    Raises:
        StoreError: The image cannot be read, or the store cannot be written.
    """
    name = _new_name(giver, destination)
    if isinstance(giver, RegistryImage | HostImage):
        _pull(settings, text, name, options, remote)
    else:
        _import(settings, giver, name, options)


def _new_name(giver: Location, destination: StoredImage) -> Reference:
    from store.errors import InvalidInput, InvalidReference, printable  # noqa: PLC0415
    from store.model.references import Reference  # noqa: PLC0415

    if isinstance(giver, StoredImage):
        raise InvalidInput(
            f"cannot copy {printable(str(giver))} into the store: it is there",
            hint="run `storectl tag` to give it another name",
        )
    name = Reference.parse(destination.name)
    if name.digest is not None:
        raise InvalidReference(
            f"invalid name {printable(destination.name)!r} for a copy: it has a digest",
            text=destination.name,
            hint="name the copy with a tag: its digest is that of the source",
        )
    return name.with_default_tag()


def _platforms(options: SendingOptions) -> tuple[Platform, ...]:
    from store import Platform  # noqa: PLC0415 - `--help` does without

    return tuple(Platform.parse(text) for text in options.platforms)


def _pull(
    settings: Settings, text: str, name: Reference, options: SendingOptions, remote: RemoteOptions
) -> None:
    from remote.pulling.options import PullOptions  # noqa: PLC0415 - `--help` does without
    from remote.pulling.pull import Puller  # noqa: PLC0415
    from remote.pulling.report import FailedImage  # noqa: PLC0415
    from remote.registry.values import Tag  # noqa: PLC0415
    from store import Platform  # noqa: PLC0415
    from storectl.output.bars import Bars  # noqa: PLC0415

    platforms = _platforms(options)
    pulling = PullOptions(
        platforms=platforms,
        all_platforms=not platforms,
        machine=Platform.of("linux", settings.machine),
        has_referrers=options.referrers,
        jobs=options.jobs,
    )
    is_quiet = options.quiet or options.as_json
    outcomes: Sequence[PullOutcome] = ()
    with (
        remote.connected(settings, jobs=options.jobs) as connection,
        PullPlaces(connection, settings, remote, jobs=options.jobs) as places,
        opened_store(settings, dry_run=options.dry_run) as store,
    ):
        failed: Sequence[PullOutcome] = ()
        for source in places.meanings(text):
            asked = source.digest or Tag(source.tag or "latest")
            bars = Bars()
            puller = Puller(
                store,
                lambda _, source=source: places.repositories(source),  # type: ignore[misc]
                connection.loop,
                replace(pulling, asked={name: asked}),
                bars,
            )
            work = puller.plan if options.dry_run else puller.pull
            outcomes = tuple(waited_for(work([name]), bars, quiet=is_quiet))
            if not isinstance(outcomes[0], FailedImage):
                break
            failed = failed or outcomes
        else:
            # The first meaning of a short name says best what is wrong.
            outcomes = failed
        for outcome in outcomes:
            show_outcome(outcome, quiet=options.quiet, as_json=options.as_json)
    if options.as_json:
        render.document([outcome_json(outcome) for outcome in outcomes])
    if options.digest_file is not None and not options.dry_run:
        write_digests(Path(options.digest_file), outcomes)
    exit_for(outcomes, dry_run=options.dry_run, as_json=options.as_json)


def _import(settings: Settings, giver: Location, name: Reference, options: SendingOptions) -> None:
    from remote.copying.local_places import import_location  # noqa: PLC0415 - one place
    from remote.copying.named_import import NamedImport  # noqa: PLC0415
    from store import Choice, ImportOptions  # noqa: PLC0415
    from storectl.commands._engines import docker_engine  # noqa: PLC0415
    from storectl.commands._registry_trees import TreeSource, import_tree  # noqa: PLC0415

    platforms = _platforms(options)
    losses = 0
    with (
        opened_store(settings, dry_run=options.dry_run) as store,
        progress(quiet=options.quiet or options.as_json) as bars,
    ):
        if isinstance(giver, RegistryTree):
            choice = Choice(platforms=platforms, tag=name)
            done = import_tree(
                store,
                TreeSource.of(giver, is_one=True),
                ImportOptions(choice=choice, dry_run=options.dry_run),
                bars,
                link=False,
            )
            losses = done.losses
            digests = [str(digest) for digest, _ in done.found] or _digests(done.report)
        else:
            engine = docker_engine(settings) if isinstance(giver, DaemonImage) else None
            importing = NamedImport(store, name, bars, platforms, options.dry_run)
            report = import_location(importing, giver, engine)
            done = ArchiveResult(report, is_dry_run=options.dry_run)  # type: ignore[assignment]
            digests = _digests(report)
    if options.as_json:
        render.document([done.as_json(str(giver))])
    else:
        done.show(quiet=options.quiet)
    if options.digest_file is not None and not options.dry_run:
        from exporter.output.atomic_file import atomic_file  # noqa: PLC0415 - one option

        with atomic_file(Path(options.digest_file)) as file:
            file.write("".join(f"{digest}\n" for digest in digests[:1]).encode())
    if losses:
        click.get_current_context().exit(ExitCode.CORRUPT)


def _digests(report: ImportReport | None) -> list[str]:
    """Return the digests of the manifests that got names."""
    tags = () if report is None else report.tags
    return [str(tag.manifest) for tag in tags if tag.manifest is not None]
