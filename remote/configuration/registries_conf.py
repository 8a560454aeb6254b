"""``registries.conf`` and its drop-ins: mirrors, other locations, blocked registries, short names.

Source: containers-registries.conf(5), containers-registries.conf.d(5).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, final

from store.errors import InvalidInput, StoreError, printable
from store.model.references import DEFAULT_DOMAIN, Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sized

MAX_TABLES: Final = 10_000
"""The most registries, mirrors of a registry, or aliases in a file."""

_WILDCARD: Final = re.compile(r"\*(?:\.[a-zA-Z0-9-]+)+")
_ENDS_OF_PREFIX: Final = ("/", ":", "@")
_HINT: Final = "see containers-registries.conf(5)"
_MAX_QUOTED: Final = 200


@final
class PullFrom(StrEnum):
    """The pulls that a mirror is used for. The values are those of ``pull-from-mirror``."""

    ALL = "all"
    DIGEST = "digest-only"
    TAG = "tag-only"


@final
class ShortNameMode(StrEnum):
    """What a short name without an alias means. The values are those of ``short-name-mode``."""

    ENFORCING = "enforcing"
    PERMISSIVE = "permissive"
    DISABLED = "disabled"


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A registry, or a part of its repositories, under which images are found.

    Attributes:
        location: What replaces the prefix of a name; empty to leave the name as it is.
        insecure: Whether its certificate need not be trusted, and HTTP without TLS will do.
        pull_from: The pulls that the place is used for.
    """

    location: str
    insecure: bool = False
    pull_from: PullFrom = PullFrom.ALL


@final
@dataclass(frozen=True, slots=True)
class RegistryTable:
    """A table ``[[registry]]``.

    Attributes:
        prefix: The names that the table is for: ``HOST[:PORT][/PATH]``, or ``*.DOMAIN``.
        primary: The place that is asked last.
        mirrors: The places that are asked first, in this order.
        is_blocked: Whether images with these names must not be pulled.
        source: The file, for messages.
    """

    prefix: str
    primary: Place
    mirrors: tuple[Place, ...] = ()
    is_blocked: bool = False
    source: str = ""

    def match_length(self, name: str) -> int:
        """Return how many characters of a name the prefix stands for; 0 if it does not match.

        Args:
            name: The whole name, with its registry.
        """
        host = name.partition("/")[0]
        if self.prefix.startswith("*."):
            return len(host) if host.partition(":")[0].endswith(self.prefix[1:]) else 0
        rest = name[len(self.prefix) :]
        if not name.startswith(self.prefix) or (rest and not rest.startswith(_ENDS_OF_PREFIX)):
            return 0
        return len(self.prefix)


@final
@dataclass(frozen=True, slots=True)
class RegistriesConf:
    """The settings of all files together.

    Attributes:
        tables: The tables by their prefix.
        search: The registries for names without one, or None if no file says it.
        aliases: Short names, and the repositories that they stand for.
        mode: What a short name without an alias means, or None if no file says it.
    """

    tables: Mapping[str, RegistryTable] = field(default_factory=dict)
    search: tuple[str, ...] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    mode: ShortNameMode | None = None

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """Read one file.

        Args:
            text: The text of the file.
            name: The name of the file, for messages.

        Raises:
            InvalidInput: The text is not such a file.
        """
        try:
            document = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            _refuse(name, str(error) or "it is nested too deeply")
        reader = _Reader(name)
        old = reader.table(document, "registries")
        tables = {
            table.prefix: table
            for table in (
                *_old_tables(old, reader),
                *(_table(one, reader) for one in reader.tables(document, "registry")),
            )
        }
        search = reader.texts(document, "unqualified-search-registries")
        if search is None and "search" in old:
            search = reader.texts(reader.table(old, "search"), "registries")
        aliases = reader.table(document, "aliases")
        reader.check_count(aliases)
        return cls(
            tables,
            None if search is None else tuple(_host(one, name) for one in search),
            {alias: reader.text(aliases, alias) for alias in aliases},
            reader.mode(document),
        )

    @classmethod
    def merged(cls, files: Iterable[Self]) -> Self:
        """Return the settings of several files; a later file overrides an earlier one."""
        tables: dict[str, RegistryTable] = {}
        aliases: dict[str, str] = {}
        search: tuple[str, ...] | None = None
        mode: ShortNameMode | None = None
        for one in files:
            tables |= one.tables
            aliases |= one.aliases
            search = search if one.search is None else one.search
            mode = one.mode or mode
        # An empty alias removes an earlier one.
        return cls(tables, search, {name: full for name, full in aliases.items() if full}, mode)

    def table_for(self, name: str) -> RegistryTable | None:
        """Return the table with the longest prefix of a name, or None.

        Args:
            name: The whole name, with its registry.
        """
        best, longest = None, 0
        for table in self.tables.values():
            length = table.match_length(name)
            if length > longest:
                best, longest = table, length
        return best

    def is_insecure(self, registry: str) -> bool:
        """Return whether the certificate of a registry need not be trusted.

        A registry with one place that needs trust needs it for all.

        Args:
            registry: The registry as references name it.
        """
        verdicts = [
            place.insecure
            for table in self.tables.values()
            for place in (table.primary, *table.mirrors)
            if (
                place.location.partition("/")[0] == registry
                if place.location
                else table.match_length(f"{registry}/")
                or table.prefix.partition("/")[0] == registry
            )
        ]
        return bool(verdicts) and all(verdicts)


@final
@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads members of a document, and names the file and the member in errors."""

    name: str

    def table(self, document: Mapping[str, Any], member: str) -> dict[str, Any]:
        value = document.get(member, {})
        if not isinstance(value, dict):
            _refuse(self.name, f"{member} is not a table")
        return value

    def tables(self, document: Mapping[str, Any], member: str) -> list[dict[str, Any]]:
        value = document.get(member, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            _refuse(self.name, f"{member} is not an array of tables")
        self.check_count(value)
        return value

    def check_count(self, values: Sized) -> None:
        if len(values) > MAX_TABLES:
            _refuse(self.name, f"it has more than {MAX_TABLES} tables or aliases")

    def texts(self, document: Mapping[str, Any], member: str) -> list[str] | None:
        value = document.get(member)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            _refuse(self.name, f"{member} is not an array of strings")
        self.check_count(value)
        return value

    def text(self, document: Mapping[str, Any], member: str) -> str:
        value = document.get(member, "")
        if not isinstance(value, str):
            _refuse(self.name, f"{printable(member[:_MAX_QUOTED])} is not a string")
        return value

    def flag(self, document: Mapping[str, Any], member: str) -> bool:
        value = document.get(member, False)
        if not isinstance(value, bool):
            _refuse(self.name, f"{member} is not true or false")
        return value

    def mode(self, document: Mapping[str, Any]) -> ShortNameMode | None:
        value = self.text(document, "short-name-mode")
        if value and value not in ShortNameMode.__members__.values():
            self._refuse_choice("short-name-mode", value, ShortNameMode)
        return ShortNameMode(value) if value else None

    def pull_from(self, document: Mapping[str, Any]) -> PullFrom | None:
        value = self.text(document, "pull-from-mirror")
        if value and value not in PullFrom.__members__.values():
            self._refuse_choice("pull-from-mirror", value, PullFrom)
        return PullFrom(value) if value else None

    def _refuse_choice(self, member: str, value: str, choices: Iterable[str]) -> NoReturn:
        _refuse(self.name, f"{member} is {printable(value[:40])!r}: expected {', '.join(choices)}")


def begins_with(reference: Reference, text: str) -> bool:
    """Return whether the registry of a reference is the one that a text begins with.

    ``team/app`` does not begin with a registry, so its reference has one that the text lacks.
    """
    host = text.partition("/")[0]
    return host in (reference.repository.domain, f"index.{DEFAULT_DOMAIN}")


def _table(document: Mapping[str, Any], reader: _Reader) -> RegistryTable:
    location = _trimmed(reader.text(document, "location"))
    prefix = _trimmed(reader.text(document, "prefix")) or location
    is_wildcard = prefix.startswith("*")
    if not prefix:
        _refuse(reader.name, "a registry has neither a prefix nor a location")
    if is_wildcard and _WILDCARD.fullmatch(prefix) is None:
        _refuse(
            reader.name,
            f"invalid prefix {printable(prefix[:_MAX_QUOTED])!r}: a wildcard stands only in"
            " '*.DOMAIN'",
        )
    if not is_wildcard:
        _check(prefix, "prefix", reader.name)
    if not location and not is_wildcard:
        _refuse(reader.name, f"the registry with the prefix {prefix!r} has no location")
    digest_only = reader.flag(document, "mirror-by-digest-only")
    mirrors = []
    for one in reader.tables(document, "mirror"):
        place = _trimmed(reader.text(one, "location"))
        _check(place, "location of a mirror", reader.name)
        pull_from = reader.pull_from(one)
        if digest_only and pull_from is not None:
            _refuse(
                reader.name,
                f"the registry {prefix!r} has mirror-by-digest-only, and its mirror {place!r} has"
                " pull-from-mirror: leave out one of the two",
            )
        usual = PullFrom.DIGEST if digest_only else PullFrom.ALL
        mirrors.append(Place(place, reader.flag(one, "insecure"), pull_from or usual))
    if location:
        _check(location, "location", reader.name)
    return RegistryTable(
        prefix,
        # Without a rewrite, the name stays as it is, with whatever the wildcard stands for.
        Place("" if location == prefix else location, reader.flag(document, "insecure")),
        tuple(mirrors),
        reader.flag(document, "blocked"),
        reader.name,
    )


def _old_tables(old: Mapping[str, Any], reader: _Reader) -> list[RegistryTable]:
    """Return the tables that the lists of version 1 of the format stand for."""
    insecure = reader.texts(reader.table(old, "insecure"), "registries") or []
    blocked = reader.texts(reader.table(old, "block"), "registries") or []
    return [
        RegistryTable(
            _host(one, reader.name),
            Place("", one in insecure),
            is_blocked=one in blocked,
            source=reader.name,
        )
        for one in dict.fromkeys((*insecure, *blocked))
    ]


def _trimmed(text: str) -> str:
    return text.rstrip("/")


def _host(text: str, name: str) -> str:
    """Return a registry without the slash that some people write after it."""
    host = _trimmed(text)
    _check(host, "registry", name)
    return host


def _check(text: str, what: str, name: str) -> None:
    """Refuse text that is neither a registry nor the beginning of a name in one."""
    try:
        fits = begins_with(Reference.parse(text if "/" in text else f"{text}/x"), text)
    except StoreError:
        fits = False
    if not fits:
        _refuse(
            name,
            f"invalid {what} {printable(text[:_MAX_QUOTED])!r}: expected HOST[:PORT][/PATH] without"
            " a scheme",
        )


def _refuse(name: str, fact: str) -> NoReturn:
    raise InvalidInput(f"invalid file {name}: {fact}", hint=_HINT)
