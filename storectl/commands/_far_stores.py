"""Stores on other machines, which `push`, `pull` and `copy` reach with SSH."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.names import HostImage
    from remote.registry.client import RegistryClient
    from remote.registry.event_loop import EventLoopThread
    from remote.registry.repository import Repository
    from store.model.references import Reference
    from storectl.commands._remote import Connection, RemoteOptions
    from storectl.settings import Settings


@final
@dataclass(frozen=True, slots=True)
class FarStore:
    """A store on another machine.

    Attributes:
        place: The machine, and the root of the store.
        client: The client that reaches it.
    """

    place: HostImage
    client: RegistryClient

    def repository(self, reference: Reference) -> Repository:
        """Return the repository of an image there. No request is sent.

        Args:
            reference: The name of the image in that store.
        """
        from remote.names import HostImage  # noqa: PLC0415 - `--help` does without
        from store.formats.distribution.names import Names  # noqa: PLC0415

        place = self.place
        where = str(HostImage(place.host, place.user, place.port, place.root))
        return self.client.repository(where, Names().spell(reference.repository))


@contextmanager
def far_store(
    loop: EventLoopThread,
    settings: Settings,
    place: HostImage,
    remote: RemoteOptions,
    *,
    jobs: int,
    is_read_only: bool,
) -> Iterator[FarStore]:
    """Reach a store on another machine, and end the connections at the end of the block.

    Args:
        loop: Runs the client.
        settings: The settings of the run.
        place: The machine, and the root of the store.
        remote: How often requests are repeated, and how fast bytes are sent.
        jobs: How many blobs are transferred at once; with 1, there is one login.
        is_read_only: Whether nothing is changed there.

    Raises:
        StoreError: The name of the place is not safe.
    """
    from remote.http.settings import (  # noqa: PLC0415 - `--help` does without
        ClientSettings,
        RegistrySettings,
        SameSettings,
    )
    from remote.registry.client import RegistryClient  # noqa: PLC0415
    from storectl.commands._far_command import far_program  # noqa: PLC0415

    # No name is looked up: the address is for messages, and for the header Host.
    address = "localhost" if ":" in place.host else place.host
    program = far_program(place, settings.environment, is_read_only=is_read_only)

    async def opened() -> RegistryClient:
        return RegistryClient(
            ClientSettings(
                retries=remote.retries,
                rate_bytes_s=remote.rate_bytes_s,
                connections_per_host=jobs,
                program=program,
            ),
            registries=SameSettings(RegistrySettings(plain_http=True, address=address)),
        )

    client = loop.run(opened())
    try:
        yield FarStore(place, client)
    finally:
        loop.run(client.close())


@final
class PullPlaces:
    """Where each image of a pull comes from. Use it as a context manager.

    Args:
        connection: The client of registries.
        settings: The settings of the run.
        remote: How registries are reached.
        jobs: How many blobs are downloaded at once.
    """

    def __init__(
        self, connection: Connection, settings: Settings, remote: RemoteOptions, *, jobs: int
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._remote = remote
        self._jobs = jobs
        self._stack = ExitStack()
        self._stores: dict[str, FarStore] = {}
        self._far: dict[Reference, FarStore] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def meanings(self, text: str) -> list[Reference]:
        """Return the images that a name may mean, the first one first.

        Only a short name without a transport may mean several.

        Args:
            text: The name, as the user wrote it.

        Raises:
            StoreError: The name is not valid.
        """
        from remote.names import HostImage, Transport, parse_location  # noqa: PLC0415

        location = parse_location(text, Transport.REGISTRY)
        if not isinstance(location, HostImage):
            if text.startswith(Transport.REGISTRY.value):
                return [pulled_reference(text)]
            return [one.with_default_tag() for one in self._connection.named_references(text)]
        reference = pulled_reference(text)
        place = replace(location, name=None)
        known = self._stores.get(str(place))
        if known is None:
            known = self._stores[str(place)] = self._stack.enter_context(
                far_store(
                    self._connection.loop,
                    self._settings,
                    place,
                    self._remote,
                    jobs=self._jobs,
                    is_read_only=True,
                )
            )
        self._far[reference] = known
        return [reference]

    def repositories(self, reference: Reference) -> tuple[Repository, ...]:
        """Return the repositories to pull an image from, in order.

        Args:
            reference: The name of the image, with a tag or a digest.

        Raises:
            StoreError: The image must not be pulled.
        """
        far = self._far.get(reference)
        if far is not None:
            return (far.repository(reference),)
        return self._connection.pull_repositories(reference)


def pulled_reference(text: str) -> Reference:
    """Return the name that a pulled image gets in the store.

    Args:
        text: The name, as the user wrote it.

    Raises:
        InvalidReference: The image is in a place that nothing is pulled from, or has no name.
    """
    from remote.names import (  # noqa: PLC0415 - `--help` does without
        HostImage,
        RegistryImage,
        Transport,
        parse_location,
    )
    from store.errors import InvalidReference, printable  # noqa: PLC0415
    from store.model.references import Reference  # noqa: PLC0415

    location = parse_location(text, Transport.REGISTRY)
    if isinstance(location, HostImage):
        if location.name is None:
            raise InvalidReference(
                f"cannot pull {printable(text)!r}: it names no image",
                text=text,
                hint="write the name of the image after it, as in ssh://host/root::team/app:1.4",
            )
        return Reference.parse(location.name).with_default_tag()
    if not isinstance(location, RegistryImage):
        raise InvalidReference(
            f"cannot pull {printable(text)!r}: it is not in a registry",
            text=text,
            hint="give the name of an image in a registry",
        )
    return location.reference.with_default_tag()
