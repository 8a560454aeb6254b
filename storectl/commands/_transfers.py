"""The work of `push` and `copy`: the source of an image, its receiver, and the transfer."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, final

from remote.copying.fetched_image import fetch_image
from remote.copying.receivers import RegistryReceiver
from remote.copying.single_documents import first_meaning
from remote.names import (
    DaemonImage,
    HostImage,
    RegistryImage,
    RegistryTree,
    StoredImage,
    Transport,
    parse_location,
)
from remote.pushing.delivery import Delivery
from remote.registry.values import Tag
from store.errors import InvalidInput, InvalidReference, printable
from store.model.digests import Digest
from store.model.references import Reference
from storectl.commands._far_stores import far_store, pulled_reference
from storectl.commands._sending import Outcome, Printer, send
from storectl.output import render
from storectl.output.progress import progress
from storectl.system.malloc import keep_freed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.copying.receivers import Receiver
    from remote.names import Location
    from remote.pushing.image import SentImage
    from remote.registry.repository import Repository
    from store import Store
    from store.model.references import Repository as RepositoryName
    from storectl.commands._remote import Connection, RemoteOptions, SidedOptions
    from storectl.commands._sending import SendingOptions
    from storectl.settings import Settings


def push(
    settings: Settings,
    name: str,
    destination: str | None,
    options: SendingOptions,
    remote: RemoteOptions,
    *,
    all_tags: bool,
    layers: str | None,
) -> None:
    """Push an image, or all images of a repository.

    Args:
        settings: The settings of the run.
        name: The name of the image in the store.
        destination: The name of the image at the receiver; None to use ``name``.
        options: What is sent, and what is printed.
        remote: How the registry is reached.
        all_tags: Whether to push all tags of a repository.
        layers: The encoding to give to layers; None to keep their encoding.

    Raises:
        StoreError: The image cannot be read, or the receiver refuses it.
    """
    from remote.pushing.stored_image import (  # noqa: PLC0415 - a copy needs no database
        open_stored,
    )
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415

    with settings.open() as store, suggesting(store, name):
        stored = stored_name(store, name, options, all_tags=all_tags)
        if destination is None and stored.is_id:
            raise InvalidInput(
                f"cannot push {name}: an image ID does not say to which registry",
                hint="name the destination after it, as in registry.example/team/app:1.4",
            )
        location = parse_location(destination or stored.name, Transport.REGISTRY)
        options = _for_receiver(options, location)
        with (
            remote.connected(settings, jobs=options.jobs) as connection,
            _Transfer(settings, options, (connection, remote), (connection, remote)) as transfer,
        ):
            receiver = transfer.receiver(
                _named_there(location, stored.name, stored.is_id), every_tag=all_tags
            )
            with open_stored(
                store,
                stored.name,
                options.choice(layers),
                jobs=options.jobs,
                every_tag=all_tags,
                receiver=_repository_of(location),
                receiver_name=None if options.dry_run else str(location),
            ) as image:
                transfer.run(image, receiver)


def copy(
    settings: Settings,
    source: str,
    destination: str,
    options: SendingOptions,
    remote: SidedOptions,
) -> None:
    """Copy an image from one place to another.

    Args:
        settings: The settings of the run.
        source: The name of the image.
        destination: The name of the copy.
        options: What is copied, and what is printed.
        remote: How the registries are reached.

    Raises:
        StoreError: The image cannot be read, or the receiver refuses it.
    """
    giver = parse_location(source, Transport.REGISTRY)
    location = parse_location(destination, Transport.REGISTRY)
    if isinstance(location, StoredImage):
        from storectl.commands._into_store import copy_into_store  # noqa: PLC0415 - one place

        copy_into_store(settings, giver, source, location, options, remote.source)
        return
    options = _for_receiver(options, location)
    if isinstance(giver, StoredImage):
        push(
            settings,
            giver.name,
            str(location),
            options,
            remote.destination,
            all_tags=False,
            layers=None,
        )
        return
    with (
        remote.connected(settings, jobs=options.jobs) as (from_there, to_there),
        _Transfer(
            settings, options, (from_there, remote.source), (to_there, remote.destination)
        ) as transfer,
    ):
        receiver = transfer.receiver(_named_there(location, _own_name(giver), is_id=False))
        with transfer.open(giver, source) as image:
            transfer.run(image, receiver)


@final
@dataclass(frozen=True, slots=True)
class StoredName:
    """The name of one image in the store.

    Attributes:
        name: The name, with the default tag if it had none.
        is_id: Whether it is an image ID or a digest, and no tag.
    """

    name: str
    is_id: bool


def stored_name(store: Store, name: str, options: SendingOptions, *, all_tags: bool) -> StoredName:
    """Return the name of one image. As in docker, a repository stands for its tag ``latest``.

    Args:
        store: The store.
        name: The name, as the user wrote it.
        options: What is printed.
        all_tags: Whether it must be the name of a repository.

    Raises:
        InvalidReference: All tags are wanted, and the name has a tag already.
        NotFound: The store does not know the name.
    """
    from store.names.resolve import (  # noqa: PLC0415 - a copy needs no database
        ResolvedManifest,
        ResolvedRepository,
        resolve,
    )

    with store.read() as connection:
        found = resolve(connection, name)
    if all_tags:
        if not isinstance(found, ResolvedRepository):
            raise InvalidReference(
                f"invalid name {printable(name)!r} for all tags: expected a repository, without a"
                " tag",
                text=name,
            )
        return StoredName(name, is_id=False)
    if isinstance(found, ResolvedRepository):
        if not (options.quiet or options.as_json):
            render.line("Using default tag: latest")
        return StoredName(f"{name}:latest", is_id=False)
    return StoredName(name, not isinstance(found, ResolvedManifest) or found.reference is None)


def _for_receiver(options: SendingOptions, location: Location) -> SendingOptions:
    """Return the options for a receiver. An engine takes its own platform of an index."""
    if isinstance(location, DaemonImage) and not options.platforms:
        # The store need not have the images for other platforms.
        return replace(options, sparse=True)
    return options


def _repository_of(location: Location) -> RepositoryName | None:
    return location.reference.repository if isinstance(location, RegistryImage) else None


def _destination_reference(reference: Reference, *, every_tag: bool) -> Reference:
    """Return the name at the receiver; without a tag for all tags, else with one.

    Raises:
        InvalidReference: All tags are wanted, and the name has a tag.
    """
    if not every_tag:
        return reference.with_default_tag()
    if not reference.is_name_only:
        raise InvalidReference(
            f"invalid destination {reference} for all tags: expected a repository, without a tag",
            text=str(reference),
        )
    return reference


def _own_name(giver: Location) -> str | None:
    """Return the name of the source of a copy, for a receiver that needs one; None if none fits."""
    match giver:
        case RegistryImage(reference) | DaemonImage(Reference() as reference):
            return str(reference)
        case HostImage(name=name) | RegistryTree(name=name):
            return name
        case _:
            return None


def _named_there(location: Location, name: str | None, is_id: bool) -> Location:  # noqa: FBT001
    """Return a receiver with the name of the image there: that of the source, if none is given.

    Raises:
        InvalidInput: The source has no name.
    """
    if not isinstance(location, HostImage) or location.name is not None:
        return location
    if name is None or is_id:
        raise InvalidInput(
            f"cannot send an image without a name to {printable(str(location))}",
            hint="write the name after it, as in ssh://host/root::team/app:1.4",
        )
    return replace(location, name=name)


@final
class _Transfer:
    """A run that sends one image. Use it as a context manager.

    Args:
        settings: The settings of the run.
        options: What is sent, and what is printed.
        source: The client of the registry that has the image, and how it is reached.
        destination: The client of the registry that receives it, and how it is reached.
    """

    def __init__(
        self,
        settings: Settings,
        options: SendingOptions,
        source: tuple[Connection, RemoteOptions],
        destination: tuple[Connection, RemoteOptions],
    ) -> None:
        keep_freed()
        self._settings = settings
        self._options = options
        self._source, self._source_options = source
        self._destination, self._destination_options = destination
        self._printer = Printer(is_silent=options.quiet or options.as_json or options.dry_run)
        self._stack = ExitStack()
        self._place = ""

    def __enter__(self) -> Self:
        self._bars = self._stack.enter_context(
            progress(quiet=self._options.quiet or self._options.as_json)
        )
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()
        self._printer.flush()

    @contextmanager
    def open(self, location: Location, text: str) -> Iterator[SentImage]:
        """Open an image that is not in the store.

        Args:
            location: The name of the image.
            text: The same name, as the user wrote it.

        Raises:
            StoreError: The image cannot be read.
        """
        if isinstance(location, RegistryImage):
            names = self._source.meanings(text)

            async def fetch(number: int, repository: Repository) -> SentImage:
                named = names[number].digest or Tag(names[number].tag or "latest")
                return await fetch_image(repository, named, self._options.choice())

            places = [self._source.pull_repositories(name) for name in names]
            yield self._source.loop.run(first_meaning(places, fetch))
            return
        if isinstance(location, HostImage):
            name = pulled_reference(text)
            with far_store(
                self._source.loop,
                self._settings,
                location,
                self._source_options,
                jobs=self._options.jobs,
                is_read_only=True,
            ) as far:
                named = name.digest or Tag(name.tag or "latest")
                repository = far.repository(name)
                yield self._source.loop.run(fetch_image(repository, named, self._options.choice()))
            return
        if isinstance(location, RegistryTree):
            from remote.copying.tree_repository import (  # noqa: PLC0415 - registries need none
                opened_tree,
            )

            with opened_tree(location) as (tree, reference):
                yield self._source.loop.run(fetch_image(tree, reference, self._options.choice()))
            return
        from remote.copying.local_places import (  # noqa: PLC0415 - a copy needs no database
            open_location,
        )
        from storectl.commands._engines import docker_engine  # noqa: PLC0415

        with open_location(
            location,
            self._options.choice(),
            jobs=self._options.jobs,
            progress=self._bars,
            engine=docker_engine(self._settings) if isinstance(location, DaemonImage) else None,
        ) as image:
            yield image

    def receiver(self, location: Location, *, every_tag: bool = False) -> Receiver:
        """Return the receiver of the image.

        Args:
            location: The name of the image there.
            every_tag: Whether several images keep their tags.

        Raises:
            InvalidInput: The place cannot receive images, or all tags need a name without a tag.
        """
        options = self._options
        self._place = str(location)
        if isinstance(location, DaemonImage):
            return self._engine_receiver(location, every_tag=every_tag)
        if isinstance(location, HostImage):
            return self._far_receiver(location, every_tag=every_tag)
        if not isinstance(location, RegistryImage):
            from remote.copying.local_places import (  # noqa: PLC0415 - a copy needs no database
                local_receiver,
            )

            return local_receiver(
                location,
                jobs=options.jobs,
                progress=self._bars,
                listener=self._printer,
                wait_limit_s=self._settings.lock_timeout_s,
            )
        reference = _destination_reference(location.reference, every_tag=every_tag)
        self._place = str(reference)
        return self._registry_receiver(
            self._destination.push_repository(reference.with_default_tag()), reference
        )

    def _far_receiver(self, location: HostImage, *, every_tag: bool) -> Receiver:
        reference = _destination_reference(
            Reference.parse(location.name or ""), every_tag=every_tag
        )
        far = self._stack.enter_context(
            far_store(
                self._destination.loop,
                self._settings,
                location,
                self._destination_options,
                jobs=self._options.jobs,
                is_read_only=self._options.dry_run,
            )
        )
        return self._registry_receiver(far.repository(reference), reference)

    def _registry_receiver(self, repository: Repository, reference: Reference) -> Receiver:
        options = self._options
        if not self._printer.is_silent:
            render.line(f"The push refers to repository [{reference.repository}]")
        return RegistryReceiver(
            repository,
            Delivery(jobs=options.jobs, progress=self._bars, listener=self._printer),
            tag=reference.tag if reference.digest is None else None,
            digest=reference.digest,
            foreign_layers=options.foreign_layers,
        )

    def _engine_receiver(self, location: DaemonImage, *, every_tag: bool) -> Receiver:
        if every_tag or isinstance(location.image, Digest):
            raise InvalidInput(
                f"cannot send an image to {location}: a Docker engine takes one image, under a name"
                " with a tag",
                hint="name the image as in docker-daemon:team/app:1.4",
            )
        from remote.copying.engines.engine_target import (  # noqa: PLC0415 - registries need none of it
            EngineTarget,
        )
        from storectl.commands._engines import docker_engine  # noqa: PLC0415

        return EngineTarget(
            docker_engine(self._settings),
            location.image.with_default_tag(),
            progress=self._bars,
            listener=self._printer,
        )

    def run(self, image: SentImage, receiver: Receiver) -> None:
        """Send the image, and print what was sent.

        Args:
            image: The image.
            receiver: Its receiver.

        Raises:
            StoreError: The image cannot be read, or the receiver refuses it.
        """
        outcome: Outcome = self._destination.loop.run(send(image, receiver, self._options))
        self._printer.flush()
        outcome.report(self._place, self._options)
