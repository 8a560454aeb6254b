"""The places that an image is pulled from, in order: mirrors first, the registry of its name last.

Pure functions from the settings and a name to values. Source: containers-registries.conf(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from remote.configuration.registries_conf import PullFrom, ShortNameMode, begins_with
from store.errors import InvalidInput, InvalidReference, PermissionDenied, printable
from store.model.references import Reference

if TYPE_CHECKING:
    from remote.configuration.registries_conf import Place, RegistriesConf, RegistryTable

_MAX_SEARCH: Final = 20
"""The most registries that a short name is searched in."""


class RegistryBlocked(PermissionDenied):
    """A name that a file of this machine forbids to pull or push.

    Attributes:
        reference: The name.
    """

    def __init__(self, reference: Reference, table: RegistryTable, act: str = "pull") -> None:
        super().__init__(
            f"cannot {act} {reference}: the registry {table.prefix} is blocked in {table.source}",
            hint=(
                f"remove 'blocked' from that file, or {act} the image"
                f" {'to' if act == 'push' else 'from'} another registry"
            ),
        )
        self.reference = reference


@final
@dataclass(frozen=True, slots=True)
class PullSource:
    """A place that an image is pulled from.

    Attributes:
        reference: The name of the image in this place, with a tag or a digest.
        is_mirror: Whether another place follows if this one fails or does not have the image.
        insecure: Whether its certificate need not be trusted, and HTTP without TLS will do.
    """

    reference: Reference
    is_mirror: bool = False
    insecure: bool = False


def require_pushable(conf: RegistriesConf, reference: Reference) -> None:
    """Check that an image may be pushed under a name. As in podman, mirrors are not pushed to.

    Args:
        conf: The settings of ``registries.conf``.
        reference: The name of the image there.

    Raises:
        RegistryBlocked: The settings forbid it.
    """
    table = conf.table_for(str(reference))
    if table is not None and table.is_blocked:
        raise RegistryBlocked(reference, table, "push")


def pull_sources(conf: RegistriesConf, reference: Reference) -> tuple[PullSource, ...]:
    """Return the places to pull an image from, the first one first.

    Args:
        conf: The settings of ``registries.conf``.
        reference: The name of the image, with a tag or a digest. With both, the digest decides.

    Raises:
        RegistryBlocked: The settings forbid to pull the image.
        InvalidInput: A location makes a name that is not valid.
    """
    name = str(reference)
    table = conf.table_for(name)
    if table is None:
        return (PullSource(reference),)
    if table.is_blocked:
        raise RegistryBlocked(reference, table)
    wanted = PullFrom.TAG if reference.digest is None else PullFrom.DIGEST
    length = table.match_length(name)
    mirrors = [one for one in table.mirrors if one.pull_from in (PullFrom.ALL, wanted)]
    places = (
        *(PullSource(_moved(name, length, one, table), True, one.insecure) for one in mirrors),  # noqa: FBT003
        PullSource(_moved(name, length, table.primary, table), insecure=table.primary.insecure),
    )
    # A mirror of itself would only be asked twice.
    return tuple(
        one
        for position, one in enumerate(places)
        if all(one.reference != later.reference for later in places[position + 1 :])
    )


def named_references(conf: RegistriesConf, text: str) -> tuple[Reference, ...]:
    """Return the images that a name without a transport may mean, the first one first.

    A name with a registry means itself. A short name is an alias, or is searched in the registries
    of ``unqualified-search-registries``. Where there are none, it means an image of Docker Hub, as
    in docker.

    Args:
        conf: The settings of ``registries.conf``.
        text: The name, as the user wrote it.

    Raises:
        InvalidReference: The name is not valid, or the mode is ``enforcing`` and several registries
            may have the image.
    """
    reference = Reference.parse(text)
    if not is_short(text):
        return (reference,)
    name = _without_suffix(text)
    suffix = text[len(name) :]
    alias = conf.aliases.get(name)
    if alias is not None:
        return (Reference.parse(alias + suffix),)
    if not conf.search:
        return (reference,)
    found = tuple(Reference.parse(f"{registry}/{text}") for registry in dict.fromkeys(conf.search))[
        :_MAX_SEARCH
    ]
    if len(found) > 1 and conf.mode is ShortNameMode.ENFORCING:
        raise InvalidReference(
            f"the short name {printable(text)!r} may mean {', '.join(map(str, found))}",
            text=text,
            hint="write the whole name, with its registry",
        )
    return found


def is_short(text: str) -> bool:
    """Return whether a valid name has no registry."""
    first, slash, _ = text.partition("/")
    return not slash or not ("." in first or ":" in first or first == "localhost")


def _without_suffix(text: str) -> str:
    """Return a short name without its tag and digest."""
    name = text.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _moved(name: str, length: int, place: Place, table: RegistryTable) -> Reference:
    if not place.location:
        return Reference.parse(name)
    text = place.location + name[length:]
    try:
        moved = Reference.parse(text)
    except InvalidReference as error:
        raise InvalidInput(
            f"invalid file {table.source}: the location {place.location!r} makes the name"
            f" {printable(text)!r}, which is not valid",
            hint=error.hint,
        ) from error
    if not begins_with(moved, place.location):
        raise InvalidInput(
            f"invalid file {table.source}: {place.location!r} does not begin with a registry"
        )
    return moved
