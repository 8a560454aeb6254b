"""The documents that `manifest` and `digest` print: from registries, the store and archives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from remote.copying.registry_source import RegistryBlobs
from remote.copying.single_documents import fetch_root, first_meaning, read_config
from remote.names import (
    DaemonImage,
    HostImage,
    RegistryImage,
    RegistryTree,
    StoredImage,
    Transport,
    parse_location,
)
from remote.pushing.choice import Choice
from remote.registry.values import Tag
from store.formats.image.manifests import Kind
from store.model.digests import Descriptor
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from remote.names import Location
    from remote.pushing.image import SentImage
    from remote.registry.repository import Repository
    from remote.registry.values import ManifestReference
    from store import Store
    from store.formats.image.manifests import Document
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings

    _T = TypeVar("_T")


@final
@dataclass(frozen=True, slots=True)
class NamedDocument:
    """The manifest or index of a name.

    Attributes:
        name: The name, with the default tag if it had none.
        document: The manifest or index.
        config: The bytes of the image's config; None if they were not wanted.
    """

    name: str
    document: Document
    config: bytes | None = None


def find_document(
    settings: Settings,
    text: str,
    platform: Platform | None,
    remote: RemoteOptions,
    *,
    with_config: bool = False,
) -> NamedDocument:
    """Return the manifest or index of a name.

    Args:
        settings: The settings of the run.
        text: The name; without a transport, that of an image in a registry.
        platform: The image to choose from an index; None for the index itself.
        remote: How the registry is reached.
        with_config: Whether to read the config as well. Of an index without ``platform``, it is
            that of the image for this machine.

    Raises:
        StoreError: The image cannot be found or read.
    """
    machine = Platform.of("linux", settings.machine) if with_config else None
    location = parse_location(text, Transport.REGISTRY)
    if isinstance(location, RegistryImage | HostImage):

        async def ask(name: str, repository: Repository, named: ManifestReference) -> NamedDocument:
            root = await fetch_root(repository, named, platform)
            if machine is not None and root.kind is Kind.INDEX:
                root = await fetch_root(repository, named, machine)
            config = None
            if with_config:
                config = await read_config(name, root, RegistryBlobs(repository))
            return NamedDocument(name, root, config)

        return ask_repositories(settings, text, remote, ask)
    found = _local(settings, location, platform, with_config=with_config)
    if machine is not None and found.document.kind is Kind.INDEX:
        found = _local(settings, location, machine, with_config=with_config)
    return found


def find_descriptor(
    settings: Settings, text: str, platform: Platform | None, remote: RemoteOptions
) -> tuple[str, Descriptor]:
    """Return the name, and the type, digest and size of its manifest or index.

    A registry that is asked without a platform does not send the manifest.

    Args:
        settings: The settings of the run.
        text: The name; without a transport, that of an image in a registry.
        platform: The image to choose from an index; None for the index itself.
        remote: How the registry is reached.

    Raises:
        StoreError: The image cannot be found or read.
    """
    location = parse_location(text, Transport.REGISTRY)
    if platform is None and isinstance(location, RegistryImage | HostImage):

        async def ask(
            name: str, repository: Repository, named: ManifestReference
        ) -> tuple[str, Descriptor]:
            return name, await repository.resolve(named)

        return ask_repositories(settings, text, remote, ask)
    found = find_document(settings, text, platform, remote)
    root = found.document
    return found.name, Descriptor(root.media_type, root.digest, len(root.data))


def ask_repositories(
    settings: Settings,
    text: str,
    remote: RemoteOptions,
    ask: Callable[[str, Repository, ManifestReference], Awaitable[_T]],
) -> _T:
    """Return the answer of the registry, or of the store on another machine, that has an image.

    Args:
        settings: The settings of the run.
        text: The name of the image.
        remote: How the registry is reached.
        ask: Asks a repository about a tag or digest; it gets the full name first.

    Raises:
        StoreError: Nobody has an answer; it is the first error.
    """
    location = parse_location(text, Transport.REGISTRY)
    if isinstance(location, HostImage):
        return _ask_host(settings, location, text, remote, ask)
    with remote.connected(settings) as connection:
        names = connection.meanings(text)

        async def asked(number: int, repository: Repository) -> _T:
            name = names[number]
            return await ask(str(name), repository, name.digest or Tag(name.tag or "latest"))

        return connection.loop.run(
            first_meaning([connection.pull_repositories(name) for name in names], asked)
        )


def _ask_host(
    settings: Settings,
    place: HostImage,
    text: str,
    remote: RemoteOptions,
    ask: Callable[[str, Repository, ManifestReference], Awaitable[_T]],
) -> _T:
    from remote.registry.event_loop import EventLoopThread  # noqa: PLC0415 - one kind of places
    from storectl.commands._far_stores import far_store, pulled_reference  # noqa: PLC0415

    name = pulled_reference(text)

    async def asked(repository: Repository) -> _T:
        return await ask(str(place), repository, name.digest or Tag(name.tag or "latest"))

    with (
        EventLoopThread() as loop,
        far_store(loop, settings, place, remote, jobs=1, is_read_only=True) as far,
    ):
        return loop.run(asked(far.repository(name)))


def _local(
    settings: Settings, location: Location, platform: Platform | None, *, with_config: bool
) -> NamedDocument:
    """Return the document of an image in the store, an archive or a folder."""
    # A document is shown even if the store lacks some images of an index.
    choice = Choice(() if platform is None else (platform,), sparse=platform is None)

    async def found(image: SentImage, name: str) -> NamedDocument:
        wanted = with_config and image.root.kind is not Kind.INDEX
        config = await read_config(name, image.root, image.source) if wanted else None
        return NamedDocument(name, image.root, config)

    if isinstance(location, StoredImage):
        from remote.pushing.stored_image import (  # noqa: PLC0415 - registries need no database
            open_stored,
        )
        from storectl.commands._suggestions import suggesting  # noqa: PLC0415

        with settings.open() as store, suggesting(store, location.name):
            name = _tagged(store, location.name)
            with open_stored(store, name, choice, jobs=1) as image:
                return asyncio.run(found(image, f"{Transport.STORE.value}{name}"))
    if isinstance(location, RegistryTree):
        from remote.copying.tree_repository import (  # noqa: PLC0415 - registries need no files
            opened_tree,
        )

        with opened_tree(location) as (tree, reference):
            root = asyncio.run(fetch_root(tree, reference, platform))
            config = None
            if with_config and root.kind is not Kind.INDEX:
                config = asyncio.run(read_config(str(location), root, RegistryBlobs(tree)))
            return NamedDocument(str(location), root, config)
    from remote.copying.local_places import (  # noqa: PLC0415 - registries need no database
        open_location,
    )
    from store.model.progress import Silent  # noqa: PLC0415
    from storectl.commands._engines import docker_engine  # noqa: PLC0415

    engine = docker_engine(settings) if isinstance(location, DaemonImage) else None
    with open_location(location, choice, jobs=1, progress=Silent(), engine=engine) as image:
        return asyncio.run(found(image, str(location)))


def _tagged(store: Store, name: str) -> str:
    """Return a name with the default tag if it names a repository."""
    from store.names.resolve import (  # noqa: PLC0415 - registries need no database
        ResolvedRepository,
        resolve,
    )

    with store.read() as connection:
        is_repository = isinstance(resolve(connection, name), ResolvedRepository)
    return f"{name}:latest" if is_repository else name
