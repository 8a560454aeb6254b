"""Images of other places than registries, which `pull` and `copy` store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from remote.copying.fetched_image import fetch_image
from remote.copying.local_places import import_location
from remote.copying.named_import import NamedImport
from remote.copying.tree_repository import opened_tree
from remote.names import (
    DaemonImage,
    HostImage,
    RegistryImage,
    RegistryTree,
    StoredImage,
    Transport,
    parse_location,
)
from remote.pulling.held import HeldContent
from remote.pushing.choice import Choice as SentChoice
from store import Choice, ImportOptions, Reference
from store.errors import InvalidInput, StoreError, printable
from store.importing.archive import LayerChecks
from store.model.digests import Descriptor
from storectl.commands._engines import docker_engine
from storectl.commands._far_stores import pulled_reference
from storectl.commands._import_reports import ArchiveResult
from storectl.commands._place_reports import FailedPlace, PlaceImage
from storectl.commands._registry_trees import TreeResult, TreeSource, import_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remote.names import Location
    from store import Platform, Store
    from store.importing.report import ImportReport
    from store.model.progress import Progress
    from storectl.settings import Settings


def pulled_place(text: str) -> Location | None:
    """Return the place of an image that `pull` does not download; None if it downloads it.

    Args:
        text: The name, as the user wrote it.

    Raises:
        InvalidReference: The name is not valid, or names no image.
        InvalidInput: The image is in the store.
    """
    location = parse_location(text, Transport.REGISTRY)
    if isinstance(location, RegistryImage | HostImage):
        pulled_reference(text)
        return None
    if isinstance(location, StoredImage):
        raise InvalidInput(
            f"cannot pull {printable(text)!r}: it is in the store",
            hint="run `storectl tag` to give it another name",
        )
    if isinstance(location, RegistryTree):
        TreeSource.of(location, is_one=True)
    return location


def store_images(
    store: Store,
    settings: Settings,
    places: Iterable[Location],
    progress: Progress,
    platforms: tuple[Platform, ...],
    *,
    is_dry_run: bool,
    checks: LayerChecks = LayerChecks.NOTED,
) -> Iterator[PlaceImage | FailedPlace]:
    """Store images with the names that they have; yield what became of each.

    Args:
        store: The opened store.
        settings: The settings of the run.
        places: The names of the images.
        progress: Receives the progress.
        platforms: The images of an index to store; empty for all.
        is_dry_run: Whether to change nothing.
        checks: What happens to an image whose config lists other layers.
    """
    for place in places:
        try:
            yield store_image(
                store,
                settings,
                place,
                progress,
                platforms=platforms,
                is_dry_run=is_dry_run,
                checks=checks,
            )
        except StoreError as error:
            yield FailedPlace(str(place), error)


def store_image(
    store: Store,
    settings: Settings,
    giver: Location,
    progress: Progress,
    *,
    name: Reference | None = None,
    platforms: tuple[Platform, ...] = (),
    is_dry_run: bool = False,
    checks: LayerChecks = LayerChecks.NOTED,
) -> PlaceImage:
    """Store the image of an archive, a folder, an engine or a registry's files.

    Args:
        store: The opened store.
        settings: The settings of the run.
        giver: The name of the image.
        progress: Receives the progress.
        name: The name that it gets; None for the names that it has there.
        platforms: The images of an index to store; empty for all.
        is_dry_run: Whether to change nothing.
        checks: What happens to an image whose config lists other layers.

    Raises:
        StoreError: The image cannot be read, there are several, or the store cannot be written.
    """
    if isinstance(giver, RegistryTree):
        source = TreeSource.of(giver, is_one=True)
        choice = Choice(platforms=platforms, tag=name)
        options = ImportOptions(
            choice=choice, dry_run=is_dry_run, has_inventory=True, checks=checks
        )
        tree = import_tree(store, source, options, progress, link=False)
        if tree.report is None:
            return _planned_tree(store, giver, tree, name, platforms)
        return _of_report(str(giver), tree.report, tree, is_dry_run=False)
    engine = docker_engine(settings) if isinstance(giver, DaemonImage) else None
    importing = NamedImport(store, name, progress, platforms, is_dry_run, checks)
    report = import_location(importing, giver, engine)
    result = ArchiveResult(report, is_dry_run=is_dry_run)
    return _of_report(str(giver), report, result, is_dry_run=is_dry_run)


def _of_report(
    place: str, report: ImportReport, result: ArchiveResult | TreeResult, *, is_dry_run: bool
) -> PlaceImage:
    found = report.inventory
    assert found is not None  # noqa: S101 - the options ask for it
    problems = result.problems(quiet=True) if isinstance(result, TreeResult) else ()
    return PlaceImage(
        place,
        found.manifests[0],
        tuple(found.tags),
        found.moved_tags,
        found.new_blobs,
        found.held_blobs,
        is_new=report.changed,
        is_dry_run=is_dry_run,
        images=tuple(map(str, report.images)),
        # The usual advice is for options of an import.
        notes=(*problems, *map(str, report.notes)),
        result=result,
    )


def _planned_tree(
    store: Store,
    giver: RegistryTree,
    tree: TreeResult,
    name: Reference | None,
    platforms: tuple[Platform, ...],
) -> PlaceImage:
    """Return what an import of a registry's files would store: the dry run has only checked it."""
    before = HeldContent(store)
    with opened_tree(giver) as (repository, wanted):
        image = asyncio.run(fetch_image(repository, wanted, SentChoice(platforms, sparse=True)))
    root = Descriptor(image.root.media_type, image.root.digest, len(image.root.data))
    blobs = image.shipment().blobs
    held = before.present(blobs)
    names = (Reference.parse(one) for _, texts in tree.found for one in texts)
    tags = tuple(dict.fromkeys((name,) if name is not None else names))
    moved = tuple(
        one
        for one in tags
        if (target := before.tag(one)) is None or target.digest != image.root.digest
    )
    new = tuple(blob for digest, blob in blobs.items() if digest not in held)
    return PlaceImage(
        str(giver),
        root,
        tags,
        moved,
        new,
        tuple(blob for digest, blob in blobs.items() if digest in held),
        is_new=bool(new or moved),
        is_dry_run=True,
        images=(),
        notes=tuple(tree.problems(quiet=True)),
        result=tree,
    )
