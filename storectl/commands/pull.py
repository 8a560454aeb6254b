"""``pull``: images from registries into the store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from storectl.commands._far_stores import PullPlaces
from storectl.commands._part_options import part_options, require_one_choice
from storectl.commands._place_reports import FailedPlace, PlaceImage
from storectl.commands._remote_options import remote_options
from storectl.output.units import human_size
from storectl.system.parameters import FilePath
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from remote.names import Location
    from remote.pulling.options import PullOptions
    from remote.pulling.report import PlannedImage, PulledImage, PullOutcome
    from store import Store
    from store.errors import StoreError
    from storectl.commands._remote import RemoteOptions
    from storectl.output.bars import Bars
    from storectl.settings import Settings

    _T = TypeVar("_T")

Outcome: TypeAlias = "PullOutcome | PlaceImage | FailedPlace"
"""What became of an image."""


@click.command(
    "pull",
    cls=Verb,
    examples=(
        "storectl pull debian:12",
        "storectl pull --all-platforms --referrers quay.io/team/app:1.4",
        "storectl pull --platform linux/arm64 --dry-run registry.example:5000/app",
        "storectl pull oci:layout:team/app:1.4 docker-daemon:debian:12",
    ),
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the names of the images.")
@part_options(elsewhere="; all of a local place")
@click.option(
    "--digest-file",
    type=FilePath(path_type=Path),
    metavar="FILE",
    help="Write the digest of each image to this file, one on each line.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be downloaded; change nothing.")
@remote_options
@json_option
@click.argument("references", nargs=-1, required=True, metavar="REF...")
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    quiet: bool,
    wanted: tuple[str, ...],
    all_platforms: bool,
    referrers: bool,
    jobs: int,
    digest_file: Path | None,
    verifies: bool,
    dry_run: bool,
    remote: RemoteOptions,
    as_json: bool,
    references: tuple[str, ...],
) -> None:
    """Download images from registries into the store.

    REF is a name as docker reads it, with a tag or a digest, or the same after `docker://`.
    `ssh://[USER@]HOST[:PORT][/ROOT]::NAME` is an image in a store on another machine. Of an index,
    the image for this machine is pulled, and the index itself stays as it is. A later pull adds
    what another option asks for.

    REF may also have another of skopeo's transports: `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`,
    `docker-archive:FILE[:NAME]`, `dir:DIR`, `docker-daemon:NAME`, or `registry-tree:DIR:NAME`. Such
    an image keeps the names that it has there. It is stored with all platforms, as by `storectl
    import`, because nothing is downloaded and the place may be gone later; --platform limits them.

    Content that the store has is not downloaded again, unless it is damaged. A tag that has not
    moved costs one request. Each image is stored completely or not at all. What an interrupted pull
    has downloaded stays for 7 days, and the next pull continues there.

    The digest of every blob is checked while it arrives. Layers are decoded, and compared with the
    config of the image, before a command first needs them decoded; with --verify, at once.

    If an image cannot be pulled, the command goes on with the next one. The exit code is that of
    the first failure.
    """
    from remote.pulling.pull import Puller  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.bars import Bars  # noqa: PLC0415
    from storectl.system.malloc import keep_freed  # noqa: PLC0415
    from storectl.system.signals import interruption  # noqa: PLC0415

    keep_freed()
    sources = [(text, _place(text)) for text in dict.fromkeys(references)]
    options = _options(
        settings,
        wanted,
        all_platforms=all_platforms,
        referrers=referrers,
        jobs=jobs,
        verifies=verifies,
    )
    settings.refuse_own_files(digest_file)
    outcomes: list[Outcome] = []
    with (
        remote.connected(settings, jobs=jobs) as connection,
        PullPlaces(connection, settings, remote, jobs=jobs) as places,
        opened_store(settings, dry_run=dry_run) as store,
    ):
        bars = Bars()
        puller = Puller(store, places.repositories, connection.loop, options, bars)
        work = puller.plan if dry_run else puller.pull

        def downloaded(texts: Sequence[str]) -> Iterator[Outcome]:
            meant = [places.meanings(text) for text in texts]
            others = {first: rest for first, *rest in meant if rest}
            return work([first for first, *_ in meant], others)

        def stored(some: Sequence[Location]) -> Iterator[Outcome]:
            from store.importing.archive import LayerChecks  # noqa: PLC0415 - other places
            from storectl.commands._place_images import store_images  # noqa: PLC0415

            return store_images(
                store,
                settings,
                some,
                bars,
                options.platforms,
                is_dry_run=dry_run,
                # The layers of such images are decoded in any case.
                checks=LayerChecks.REQUIRED if verifies else LayerChecks.NOTED,
            )

        try:
            for texts, some in _runs(sources):
                found = stored(some) if some else downloaded(texts)
                for outcome in waited_for(found, bars, quiet=quiet or as_json):
                    outcomes.append(outcome)
                    show_outcome(outcome, quiet=quiet, as_json=as_json)
        except BaseException as exc:
            if interruption(exc) is not None:
                _show_kept(store)
            raise
        finally:
            # The images before an interruption have been pulled.
            if as_json and outcomes:
                render.document([found for one in outcomes for found in outcome_json(one)])
    if digest_file is not None:
        write_digests(digest_file, outcomes)
    exit_for(outcomes, dry_run=dry_run, as_json=as_json)


def _place(text: str) -> Location | None:
    """Return the place of an image that is neither in a registry nor on another machine."""
    from remote.names import Transport  # noqa: PLC0415 - `--help` does without
    from remote.names.transports import split_transport  # noqa: PLC0415
    from storectl.commands._far_stores import pulled_reference  # noqa: PLC0415

    if split_transport(text)[0] in {None, Transport.REGISTRY, Transport.HOST}:
        pulled_reference(text)
        return None
    from storectl.commands._place_images import pulled_place  # noqa: PLC0415 - other places

    return pulled_place(text)


def _runs(
    sources: Iterable[tuple[str, Location | None]],
) -> Iterator[tuple[list[str], list[Location]]]:
    """Yield the names of images that are downloaded together, or places, in their order."""
    for _, group in groupby(sources, lambda one: one[1] is None):
        some = list(group)
        yield [text for text, _ in some], [place for _, place in some if place is not None]


def waited_for(found: Iterator[_T], bars: Bars, *, quiet: bool) -> Iterator[_T]:
    """Yield the outcomes; while the next one is waited for, show bars."""
    from storectl.output.progress import progress  # noqa: PLC0415 - `--help` does without

    while True:
        # The bars are erased before a line is printed.
        with progress(quiet=quiet, bars=bars):
            outcome = next(found, None)
        if outcome is None:
            return
        yield outcome


def exit_for(outcomes: Sequence[Outcome], *, dry_run: bool, as_json: bool) -> None:
    """End the command with the exit code of the first failure, if there is one."""
    from storectl.output import render  # noqa: PLC0415 - `--help` does without
    from storectl.output.exit_codes import ExitCode, exit_code  # noqa: PLC0415

    errors = [error for one in outcomes if (error := _error(one)) is not None]
    if errors:
        if len(outcomes) > 1 and not as_json:
            render.line(
                f"{len(outcomes) - len(errors)} of {len(outcomes)} images were"
                f" {'checked' if dry_run else 'pulled'}",
                err=True,
            )
        click.get_current_context().exit(exit_code(errors[0]))
    if any(isinstance(one, PlaceImage) and one.losses for one in outcomes):
        click.get_current_context().exit(ExitCode.CORRUPT)


def _error(outcome: Outcome) -> StoreError | None:
    """Return why an image could not be pulled; None if it could."""
    from remote.pulling.report import FailedImage  # noqa: PLC0415 - `--help` does without

    return outcome.error if isinstance(outcome, FailedImage | FailedPlace) else None


def _options(
    settings: Settings,
    wanted: tuple[str, ...],
    *,
    all_platforms: bool,
    referrers: bool,
    jobs: int,
    verifies: bool,
) -> PullOptions:
    from remote.pulling.options import PullOptions  # noqa: PLC0415 - `--help` does without
    from store import Platform  # noqa: PLC0415
    from store.importing.archive import LayerChecks  # noqa: PLC0415

    require_one_choice(wanted, all_platforms=all_platforms)
    return PullOptions(
        platforms=tuple(Platform.parse(text) for text in wanted),
        all_platforms=all_platforms,
        machine=Platform.of("linux", settings.machine),
        has_referrers=referrers,
        jobs=jobs,
        checks=LayerChecks.REQUIRED if verifies else LayerChecks.LATER,
    )


@contextmanager
def opened_store(settings: Settings, *, dry_run: bool) -> Iterator[Store]:
    """Open the store, or create it; without a store, a dry run gets an empty temporary one."""
    from store.errors import StoreNotFound  # noqa: PLC0415

    try:
        opened = settings.open(create=not dry_run)
    except StoreNotFound:
        if not dry_run:
            raise
        with (
            TemporaryDirectory(prefix="storectl-dry-run-") as folder,
            replace(settings, root=Path(folder)).open(
                create=True, on_create=lambda _root: None
            ) as store,
        ):
            yield store
        return
    with opened:
        yield opened


def show_outcome(outcome: Outcome, *, quiet: bool, as_json: bool) -> None:
    """Print what became of an image, in the words of docker. With JSON, print errors alone."""
    from remote.pulling.report import FailedImage, PlannedImage  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.failures import print_error  # noqa: PLC0415
    from storectl.output.remedies import note_lines  # noqa: PLC0415

    if isinstance(outcome, FailedImage | FailedPlace):
        print_error(outcome.error)
        return
    if as_json:
        return
    if isinstance(outcome, PlaceImage):
        outcome.show(quiet=quiet)
        return
    name = outcome.reference
    if not quiet:
        for line in note_lines(outcome.notes):
            render.line(line, err=True)
    if isinstance(outcome, PlannedImage):
        _show_plan(outcome)
        return
    if not quiet:
        tag = str(name.digest) if name.digest is not None else name.tag
        render.line(f"{tag}: Pulling from {name.repository.path}")
        render.line(f"Digest: {outcome.digest}")
        render.line(
            f"Status: Downloaded newer image for {name.familiar}"
            if outcome.is_new
            else f"Status: Image is up to date for {name.familiar}"
        )
    render.line(str(name))
    if not quiet:
        render.line(_summary(outcome), err=True)


def _summary(outcome: PulledImage) -> str:
    resumed = (
        f" and {human_size(outcome.resumed_bytes)} of an interrupted pull"
        if outcome.resumed_bytes
        else ""
    )
    return (
        f"{outcome.fetched_blobs} blob(s) downloaded, {human_size(outcome.fetched_bytes)}{resumed};"
        f" {outcome.present_blobs} already present"
    )


def _show_plan(outcome: PlannedImage) -> None:
    from storectl.output import render  # noqa: PLC0415

    if not outcome.is_new:
        render.line(f"Image is up to date for {outcome.reference.familiar} ({outcome.digest})")
        return
    resumed = (
        f", {human_size(outcome.resumed_bytes)} of an interrupted pull"
        if outcome.resumed_bytes
        else ""
    )
    render.line(
        f"Would pull {outcome.reference.familiar} ({outcome.digest}): {len(outcome.blobs)} blob(s),"
        f" {human_size(outcome.fetched_bytes)} to download{resumed}; {outcome.present_blobs}"
        " already present"
    )


def _show_kept(store: Store) -> None:
    """Say on standard error what an interrupted pull has downloaded."""
    from store.blobs.downloads import Downloads  # noqa: PLC0415 - only after a signal
    from storectl.output import messages  # noqa: PLC0415

    files = Downloads(store.root).interrupted()
    if files:
        size = human_size(sum(one.size_bytes for one in files))
        messages.note(f"{size} of {len(files)} blob(s) stay for the next pull")


def write_digests(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write the digest of each image that was pulled on a line of a file."""
    from exporter.output.atomic_file import atomic_file  # noqa: PLC0415 - one option
    from remote.pulling.report import FailedImage  # noqa: PLC0415

    lines = [
        f"{one.digest}\n" for one in outcomes if not isinstance(one, FailedImage | FailedPlace)
    ]
    with atomic_file(path) as file:
        file.write("".join(lines).encode())


def outcome_json(outcome: Outcome) -> list[dict[str, Any]]:
    """Return what became of an image as JSON objects: one for each of its names."""
    from remote.pulling.report import FailedImage, PlannedImage  # noqa: PLC0415
    from storectl.output.exit_codes import exit_code  # noqa: PLC0415
    from storectl.output.remedies import hints  # noqa: PLC0415

    if isinstance(outcome, PlaceImage):
        return outcome.as_pull()
    name = outcome.place if isinstance(outcome, FailedPlace) else outcome.reference.familiar
    if isinstance(outcome, FailedImage | FailedPlace):
        error = outcome.error
        failure = {
            "Message": error.message,
            "Hints": list(hints(error)),
            "ExitCode": int(exit_code(error)),
        }
        return [{"Reference": name, "Error": failure}]
    found: dict[str, Any] = {
        "Reference": name,
        "Digest": str(outcome.digest),
        "MediaType": outcome.media_type,
        "Changed": outcome.is_new,
        "DryRun": isinstance(outcome, PlannedImage),
        "DownloadedBlobs": (
            len(outcome.blobs) if isinstance(outcome, PlannedImage) else outcome.fetched_blobs
        ),
        "DownloadedBytes": outcome.fetched_bytes,
        "ResumedBytes": outcome.resumed_bytes,
        "PresentBlobs": outcome.present_blobs,
        "Notes": list(outcome.notes),
    }
    if isinstance(outcome, PlannedImage):
        found["Blobs"] = [
            {"MediaType": one.media_type, "Digest": str(one.digest), "Size": one.size_bytes}
            for one in outcome.blobs
        ]
        return [found]
    images = () if outcome.report is None else outcome.report.images
    found["Images"] = [str(image) for image in images]
    return [found]
