"""Copies into the store: from registries, archives, folders, engines and other stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remote.names import HostImage, RegistryImage, StoredImage
from storectl.commands._far_stores import PullPlaces
from storectl.commands._sending import delivery_json
from storectl.commands.pull import (
    exit_for,
    opened_store,
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
    from remote.pulling.report import PlannedImage, PulledImage, PullOutcome
    from store import Platform, Reference
    from store.model.digests import Digest
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
        _pull(settings, text, destination, name, options, remote)
    else:
        _import(settings, giver, destination, name, options)


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
    settings: Settings,
    text: str,
    destination: StoredImage,
    name: Reference,
    options: SendingOptions,
    remote: RemoteOptions,
) -> None:
    from remote.pulling.held import HeldContent  # noqa: PLC0415 - `--help` does without
    from remote.pulling.options import PullOptions  # noqa: PLC0415
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
        before = HeldContent(store).tag(name)
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
    if options.as_json and not isinstance(outcomes[0], FailedImage):
        old = None if before is None else before.digest
        render.document(_delivery(outcomes[0], destination, name, old))
    if options.digest_file is not None and not options.dry_run:
        write_digests(Path(options.digest_file), outcomes)
    exit_for(outcomes, dry_run=options.dry_run, as_json=options.as_json)


def _delivery(
    outcome: PulledImage | PlannedImage,
    destination: StoredImage,
    name: Reference,
    old: Digest | None,
) -> dict[str, Any]:
    """Return the document of a copy from a registry or another machine."""
    from remote.pulling.report import PlannedImage  # noqa: PLC0415 - `--help` does without
    from store.model.digests import Descriptor  # noqa: PLC0415

    is_dry_run = isinstance(outcome, PlannedImage)
    return delivery_json(
        str(destination),
        Descriptor(outcome.media_type, outcome.digest, outcome.size_bytes),
        sent=() if is_dry_run else outcome.blobs,
        held=outcome.held,
        missing=outcome.blobs if is_dry_run else None,
        tags={str(name): outcome.digest},
        moved_tags=[str(name)] if old != outcome.digest else [],
        notes=outcome.notes,
    )


def _import(
    settings: Settings,
    giver: Location,
    destination: StoredImage,
    name: Reference,
    options: SendingOptions,
) -> None:
    from storectl.commands._place_images import store_image  # noqa: PLC0415 - one kind of places

    with (
        opened_store(settings, dry_run=options.dry_run) as store,
        progress(quiet=options.quiet or options.as_json) as bars,
    ):
        done = store_image(
            store,
            settings,
            giver,
            bars,
            name=name,
            platforms=_platforms(options),
            is_dry_run=options.dry_run,
        )
    if options.as_json:
        render.document(
            delivery_json(
                str(destination),
                done.root,
                sent=() if done.is_dry_run else done.new_blobs,
                held=done.held_blobs,
                missing=done.new_blobs if done.is_dry_run else None,
                tags={str(tag): done.root.digest for tag in done.tags},
                moved_tags=map(str, done.moved_tags),
                notes=done.notes,
            )
        )
    else:
        done.result.show(quiet=options.quiet)
    if options.digest_file is not None and not options.dry_run:
        write_digests(Path(options.digest_file), [done])
    if done.losses:
        click.get_current_context().exit(ExitCode.CORRUPT)
