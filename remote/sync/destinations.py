"""The images of a sync file, sent to one registry: what ``skopeo sync`` and hauler do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, final

from remote.sync.sources import REMOTE, Parts, Place
from store.errors import InvalidInput, StoreError, printable
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    from remote.sync.sources import Source, SyncFile

_MAX_CHARACTERS = 300
_HINT = "expected docker://REGISTRY[/PATH], as in docker://registry.example:5000/mirror"


@final
@dataclass(frozen=True, slots=True)
class Destination:
    """A registry, or a path in it, that receives all images of a file.

    Attributes:
        prefix: The registry, and the path before the names of images.
        is_scoped: Whether the name of each image begins with its own registry, as with ``skopeo
            sync --scoped``.
    """

    prefix: str
    is_scoped: bool = False

    @classmethod
    def parse(cls, text: str, *, is_scoped: bool = False) -> Self:
        """Parse ``docker://REGISTRY[/PATH]``.

        Args:
            text: The text.
            is_scoped: Whether names keep their registries.

        Raises:
            InvalidInput: The text has another form.
        """
        shown = printable(text[:_MAX_CHARACTERS])
        if not text.startswith(REMOTE):
            raise InvalidInput(f"invalid destination {shown!r} of a sync", hint=_HINT)
        prefix = text.removeprefix(REMOTE).rstrip("/")
        if not prefix:
            raise InvalidInput(
                f"invalid destination {shown!r} of a sync: it names no registry", hint=_HINT
            )
        try:
            # A path makes the first part a registry, as in a name.
            name = Reference.parse(f"{prefix}/x")
        except StoreError as error:
            raise InvalidInput(
                f"invalid destination {shown!r} of a sync: {error.message}", hint=_HINT
            ) from None
        if not name.is_name_only:
            raise InvalidInput(
                f"invalid destination {shown!r} of a sync: it has a tag or a digest", hint=_HINT
            )
        return cls(f"{name.repository}".removesuffix("/x"), is_scoped)

    def repository(self, name: Repository) -> Repository:
        """Return the repository that receives the images of another one.

        Args:
            name: The name of the images; its registry is left out unless names are scoped.

        Raises:
            InvalidReference: The result is too long.
        """
        path = f"{name.domain.replace(':', '_')}/{name.path}" if self.is_scoped else name.path
        return Reference.parse(f"{self.prefix}/{path}").repository


def sent_to(file: SyncFile, destination: Destination) -> SyncFile:
    """Return a file whose images are sent to a registry, except those that it sends elsewhere.

    Args:
        file: A sync file.
        destination: The registry.

    Raises:
        InvalidInput: Images of different names would get one name.
        InvalidReference: A name would be too long.
    """
    origins: dict[Repository, Repository] = {}
    sources = []
    for source in file.sources:
        if source.place.is_remote:
            sources.append(source)
            continue
        target = destination.repository(source.place.repository)
        origin = origins.setdefault(target, source.repository)
        if origin != source.repository:
            raise InvalidInput(
                f"invalid {source.file}: line {source.line}: {origin} and {source.repository} would"
                f" both be sent to {target}",
                hint="keep the registries in the names, or give one image another name with 'to'",
            )
        sources.append(_sent(source, target))
    return replace(file, sources=tuple(sources), prunes=False)


def _sent(source: Source, target: Repository) -> Source:
    parts = source.parts or Parts()
    return replace(
        source,
        place=Place(target, is_remote=True),
        # As in crane, regctl and regsync, a registry gets all platforms.
        parts=replace(parts, all_platforms=parts.all_platforms or not parts.platforms),
        prunes=False,
    )
