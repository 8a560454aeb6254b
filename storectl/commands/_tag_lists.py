"""The lists that `tags` prints: of registries, other machines, the store, archives and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from remote.names import (
    DockerArchive,
    HostImage,
    LayoutImage,
    OciArchive,
    RegistryImage,
    RegistryTree,
    StoredImage,
    Transport,
    parse_location,
)
from store.errors import InvalidReference, StoreError, printable
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from remote.names import Location
    from remote.registry.repository import Repository
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings


@final
@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a repository, or the names of the images in an archive.

    Attributes:
        prefix: The text that makes a full name of each.
        tags: The tags or names.
    """

    prefix: str
    tags: Sequence[str]


def list_tags(settings: Settings, text: str, remote: RemoteOptions) -> TagList:
    """Return the tags of a repository, or the names of the images in an archive or a layout.

    Args:
        settings: The settings of the run.
        text: The name; without a transport, that of a repository in a registry.
        remote: How the registry is reached.

    Raises:
        InvalidReference: The name is not that of a repository, or its place has no tags.
        StoreError: The list cannot be read.
    """
    location = parse_location(text, Transport.REGISTRY)
    match location:
        case RegistryImage(reference):
            _require_repository(reference, text)
            return _of_registry(settings, text, remote)
        case HostImage(name=str(name)):
            _require_repository(_parsed(name, text), text)
            return _of_host(settings, location, name, remote)
        case StoredImage(name):
            return _of_store(settings, _parsed(name, text), text)
        case RegistryTree(name=str()):
            return _of_tree(location, text)
        case (
            LayoutImage(path, None, None)
            | OciArchive(path, None, None)
            | DockerArchive(path, None, None)
        ):
            return TagList(f"{text}:", _names_in(path))
        case _:
            raise _refusal(text, _fault(location))


def _fault(location: Location) -> str:
    """Return why the tags of a place cannot be listed."""
    if isinstance(location, LayoutImage | OciArchive | DockerArchive):
        return "expected an archive or a layout, without the name of an image"
    if isinstance(location, RegistryTree | HostImage):
        return "it names no repository"
    return "a place of this kind has no tags"


def _refusal(text: str, reason: str) -> InvalidReference:
    return InvalidReference(
        f"cannot list the tags of {printable(text)!r}: {reason}",
        text=text,
        hint=(
            "give the name of a repository in a registry or a store, or an archive or a layout;"
            " `storectl images` lists the store"
        ),
    )


def _parsed(name: str, text: str) -> Reference:
    try:
        return Reference.parse(name)
    except StoreError as error:
        raise _refusal(text, error.message) from None


def _require_repository(reference: Reference, text: str) -> None:
    if not reference.is_name_only:
        raise InvalidReference(
            f"invalid repository {printable(text)!r}: expected a name without a tag or digest",
            text=text,
        )


async def _all(repository: Repository) -> list[str]:
    return [tag async for tag in repository.tags()]


def _of_registry(settings: Settings, text: str, remote: RemoteOptions) -> TagList:
    from remote.copying.single_documents import first_meaning  # noqa: PLC0415 - one kind of places

    location = parse_location(text, Transport.REGISTRY)
    assert isinstance(location, RegistryImage)  # noqa: S101 - the caller has looked
    with remote.connected(settings) as connection:
        named = (
            [location.reference]
            if text.startswith(Transport.REGISTRY.value)
            else connection.named_references(text)
        )

        async def tags(number: int, repository: Repository) -> tuple[Reference, list[str]]:
            return named[number], await _all(repository)

        reference, found = connection.loop.run(
            first_meaning(
                [connection.pull_repositories(one.with_default_tag()) for one in named], tags
            )
        )
    return TagList(f"{reference.repository}:", found)


def _of_host(settings: Settings, place: HostImage, name: str, remote: RemoteOptions) -> TagList:
    from remote.registry.event_loop import EventLoopThread  # noqa: PLC0415 - one kind of places
    from storectl.commands._far_stores import far_store  # noqa: PLC0415

    with (
        EventLoopThread() as loop,
        far_store(loop, settings, place, remote, jobs=1, is_read_only=True) as far,
    ):
        return TagList(f"{place}:", loop.run(_all(far.repository(Reference.parse(name)))))


def _of_store(settings: Settings, name: Reference, text: str) -> TagList:
    from store.registry.registry import Registry  # noqa: PLC0415 - one kind of places
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415

    _require_repository(name, text)
    with settings.open() as store, suggesting(store, name.familiar):
        return TagList(f"{text}:", Registry(store).tags(name.repository))


def _of_tree(place: RegistryTree, text: str) -> TagList:
    from remote.copying.tree_repository import opened_tree  # noqa: PLC0415 - one kind of places
    from store.registry_tree.selection import Wanted  # noqa: PLC0415

    wanted = Wanted.parse(place.name or "")
    if wanted.is_one_image:
        raise _refusal(text, "expected a name without a tag or digest")
    with opened_tree(place) as (tree, _):
        return TagList(f"{text}:", tree.tags)


def _names_in(path: Path) -> list[str]:
    """Return the names of the images in an archive, in its order. Layers are not read."""
    from store.formats.archives.selection import ALL  # noqa: PLC0415 - one kind of places
    from store.model.limits import DEFAULT_LIMITS  # noqa: PLC0415
    from store.previews.reading import read_claim  # noqa: PLC0415
    from storectl.commands._archives import Scratch  # noqa: PLC0415

    with (
        Scratch() as scratch,
        read_claim(path, DEFAULT_LIMITS, ALL, scratch.new_file) as read,
    ):
        claim = read.claim
    named = [name for root in claim.graph.roots for name in (*root.names, *root.bare)]
    named += [name for image in claim.images for name in image.tags]
    bare = {name for root in claim.graph.roots for name in root.bare}
    return list(
        dict.fromkeys(name if name in bare else Reference.parse(name).familiar for name in named)
    )
