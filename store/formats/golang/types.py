"""Go's types as JSON knows them.

How a value is read over an earlier one, and how it is written (docker-archive.md §2.1 and §2.2; Go
1.19, encoding/json).

Keys may repeat in JSON, and what repeats is often merged, so a `Shape` reads into a *state*, and
makes the value of it when the document has ended. Null and empty are different things in Go's
lists, maps and pointers: None is null. `store.formats.golang.structs` builds structs of these.
"""

# ruff: noqa: D102 - the methods of a shape promise what `Shape` says

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast, final

from store.errors import printable
from store.formats.golang.json import quote
from store.formats.golang.times import ZERO_TIME, GoTime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.formats.golang.json import Json

S = TypeVar("S")  # what a value is while its document is being read
V = TypeVar("V")  # what it is afterwards

_INTEGER: Final = re.compile(rb"-?[0-9]{1,19}")
_INTEGER_BITS: Final = 64
_QUOTED_CHARS: Final = 60
_TIME_BYTES: Final = 192
"""What a `GoTime` takes in memory, the numbers in it included."""


class Shape(ABC, Generic[S, V]):
    """A Go type, as far as JSON is concerned."""

    label: str
    """What errors call it."""

    @abstractmethod
    def zero(self) -> S:
        """Go's zero value: the state before anything is read."""

    @abstractmethod
    def read(self, value: Json, old: S) -> S:
        """Read ``value`` into what is there already. May reuse ``old``. Raises Mismatch."""

    def ambiguity(self, value: Json) -> str | None:  # noqa: ARG002 - plain values have one reading
        """Why other readers may read something else from ``value`` than Go does, after it has been read; None when all agree."""
        return None

    @abstractmethod
    def finish(self, state: S) -> V:
        """Turn the state into the value. The state is used up."""

    @abstractmethod
    def write(self, value: V) -> bytes:
        """Write it as compact JSON."""

    @abstractmethod
    def is_empty(self, value: V) -> bool:
        """Whether Go's ``omitempty`` leaves it out."""


class Mismatch(Exception):
    """A value that its shape cannot hold.

    `store.formats.golang.structs.unmarshal` makes an InvalidDocument of it.

    ``path`` says where, innermost part first; it grows as the error passes through the shapes
    around it.
    """

    def __init__(self, expected: str, value: Json, why: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.value = value
        self.why = why
        self.path: list[str] = []

    def __str__(self) -> str:
        where = f"{''.join(reversed(self.path)).removeprefix('.')}: " if self.path else ""
        found = self.value.kind
        if found not in ("object", "array"):
            text = self.value.quoted(_QUOTED_CHARS * 4).decode(errors="replace")
            found += " " + printable(
                text if len(text) <= _QUOTED_CHARS else text[:_QUOTED_CHARS] + "…"
            )
        return (
            f"{where}expected {self.expected}, found {found}, at byte"
            f" {self.value.start}{self.why and ': '}{self.why}"
        )


class _Scalar(Shape[V, V]):
    """What has no null: reading null leaves it as it was."""

    def finish(self, state: V) -> V:
        return state

    def is_empty(self, value: V) -> bool:
        return not value


@final
class _String(_Scalar[str]):
    label = "string"

    def zero(self) -> str:
        return ""

    def read(self, value: Json, old: str) -> str:
        match value.kind:
            case "string":
                return value.text()
            case "null":
                return old
        raise Mismatch(self.label, value)

    def write(self, value: str) -> bytes:
        return quote(value)


@final
class _Boolean(_Scalar[bool]):
    label = "bool"

    def zero(self) -> bool:
        return False

    def read(self, value: Json, old: bool) -> bool:  # noqa: FBT001 - the shape decides the type
        match value.kind:
            case "bool":
                return value.quoted(4) == b"true"
            case "null":
                return old
        raise Mismatch(self.label, value)

    def write(self, value: bool) -> bytes:  # noqa: FBT001 - the shape decides the type
        return b"true" if value else b"false"


@final
class _Integer(_Scalar[int]):
    label = "integer of 64 bits"

    def zero(self) -> int:
        return 0

    def read(self, value: Json, old: int) -> int:
        if value.kind == "null":
            return old
        # The pattern's length also keeps `int` from its ceiling for digits, which raises.
        if not _INTEGER.fullmatch(value.data, value.start, value.end):
            raise Mismatch(self.label, value)
        number = int(value.raw)
        if not -(2 ** (_INTEGER_BITS - 1)) <= number < 2 ** (_INTEGER_BITS - 1):
            raise Mismatch(self.label, value)
        return number

    def write(self, value: int) -> bytes:
        return b"%d" % value


@final
class _Time(_Scalar[GoTime]):
    label = "time"

    def zero(self) -> GoTime:
        return ZERO_TIME

    def read(self, value: Json, old: GoTime) -> GoTime:
        match value.kind:
            case "string":
                try:
                    value.account.spend(_TIME_BYTES)
                    return GoTime.parse(value.string())
                except ValueError as exc:
                    raise Mismatch(self.label, value, str(exc)) from None
            case "null":
                return old
        raise Mismatch(self.label, value)

    def write(self, value: GoTime) -> bytes:
        return b'"%s"' % str(value).encode()

    def is_empty(self, value: GoTime) -> bool:  # noqa: ARG002 - a struct is never empty
        return False


STRING: Final = _String()
BOOLEAN: Final = _Boolean()
INTEGER: Final = _Integer()
TIME: Final = _Time()


@final
class StringOrList(Shape["tuple[str, ...] | None", "tuple[str, ...] | None"]):
    """``strslice.StrSlice``: a list of strings that may be written as one bare string.

    Always replaced whole.
    """

    label = "string or list of strings"

    def zero(self) -> tuple[str, ...] | None:
        return None

    def read(self, value: Json, old: tuple[str, ...] | None) -> tuple[str, ...] | None:  # noqa: ARG002 - replaced, null included
        match value.kind:
            case "null":
                return None
            case "string":
                return (value.text(),)
            case "array":
                return tuple(STRING.read(item, "") for item in value.items())
        raise Mismatch(self.label, value)

    def finish(self, state: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return state

    def write(self, value: tuple[str, ...] | None) -> bytes:
        return b"null" if value is None else b"[%s]" % b",".join(map(quote, value))

    def is_empty(self, value: tuple[str, ...] | None) -> bool:
        return not value


@dataclass(slots=True)
class _Slice(Generic[S]):
    """A Go slice: the first ``length`` elements of an array that may hold leftovers behind them."""

    array: list[S]
    length: int


@final
class ListOf(Shape["_Slice[S] | None", "tuple[V, ...] | None"]):
    """A slice.

    When its key is repeated, Go reads into the elements that are there: null keeps an old string,
    and an object is merged into an old struct.

    The elements of a longer list that a shorter one has replaced are still in Go's array, and come
    up again when the list grows again.
    """

    def __init__(self, element: Shape[S, V]) -> None:
        self.label = f"list of {plural(element.label)}"
        self._element = element

    def zero(self) -> _Slice[S] | None:
        return None

    def read(self, value: Json, old: _Slice[S] | None) -> _Slice[S] | None:
        match value.kind:
            case "null":
                return None
            case "array":
                pass
            case _:
                raise Mismatch(self.label, value)
        element, array, length = self._element, old.array if old else [], 0
        try:
            for item in value.items():
                if length < len(array):
                    array[length] = element.read(item, array[length])
                else:
                    array.append(element.read(item, element.zero()))
                length += 1
        except Mismatch as mismatch:
            mismatch.path.append(f"[{length}]")
            raise
        return _Slice(array, length) if length else _Slice([], 0)

    def ambiguity(self, value: Json) -> str | None:
        if value.kind != "array":
            return None
        found = (
            (position, self._element.ambiguity(item)) for position, item in enumerate(value.items())
        )
        return next((f"[{position}]{why}" for position, why in found if why is not None), None)

    def finish(self, state: _Slice[S] | None) -> tuple[V, ...] | None:
        if state is None:
            return None
        # In place, so that never all states and all values are there at once.
        finish, array = self._element.finish, state.array
        del array[state.length :]
        finished = cast("list[V]", array)
        for position, element in enumerate(array):
            finished[position] = finish(element)
        return tuple(finished)

    def write(self, value: tuple[V, ...] | None) -> bytes:
        return b"null" if value is None else b"[%s]" % b",".join(map(self._element.write, value))

    def is_empty(self, value: tuple[V, ...] | None) -> bool:
        return not value


@final
class MapOf(Shape["dict[str, S] | None", "Mapping[str, V] | None"]):
    """A map with string keys.

    When the map's key is repeated, its entries are added; when an entry's key is, the entry is
    replaced.
    """

    def __init__(self, element: Shape[S, V]) -> None:
        self.label = f"object of {plural(element.label)}"
        self._element = element

    def zero(self) -> dict[str, S] | None:
        return None

    def read(self, value: Json, old: dict[str, S] | None) -> dict[str, S] | None:
        match value.kind:
            case "null":
                return None
            case "object":
                pass
            case _:
                raise Mismatch(self.label, value)
        element, entries = self._element, {} if old is None else old
        for key, entry in value.members():
            entries[key] = element.read(entry, element.zero())
        return entries

    def ambiguity(self, value: Json) -> str | None:
        seen: set[str] = set()
        for key, entry in value.members() if value.kind == "object" else ():
            if key in seen:
                return twice(key)
            seen.add(key)
            why = self._element.ambiguity(entry)
            if why is not None:
                return f".{printable(key)}{why}"
        return None

    def finish(self, state: dict[str, S] | None) -> Mapping[str, V] | None:
        if state is None:
            return None
        # in place: a second dict of millions of labels would be felt
        finished = cast("dict[str, V]", state)
        for key, entry in state.items():
            finished[key] = self._element.finish(entry)
        return MappingProxyType(finished)

    def write(self, value: Mapping[str, V] | None) -> bytes:
        return (
            b"null"
            if value is None
            else write_object({key: self._element.write(entry) for key, entry in value.items()})
        )

    def is_empty(self, value: Mapping[str, V] | None) -> bool:
        return not value


@final
class KeySet(Shape["set[str] | None", "tuple[str, ...] | None"]):
    """``map[string]struct{}``: only the keys count, and are kept in the order of their bytes.

    The values must be objects or null, and are written ``{}``.
    """

    label = "object of objects"

    def zero(self) -> set[str] | None:
        return None

    def read(self, value: Json, old: set[str] | None) -> set[str] | None:
        match value.kind:
            case "null":
                return None
            case "object":
                pass
            case _:
                raise Mismatch(self.label, value)
        keys = set() if old is None else old
        for key, entry in value.members():
            if entry.kind not in ("object", "null"):
                raise Mismatch("object", entry)
            keys.add(key)
        return keys

    def finish(self, state: set[str] | None) -> tuple[str, ...] | None:
        return None if state is None else tuple(sorted(state))

    def write(self, value: tuple[str, ...] | None) -> bytes:
        return (
            b"null"
            if value is None
            else b"{%s}" % b",".join(b"%s:{}" % quote(key) for key in value)
        )

    def is_empty(self, value: tuple[str, ...] | None) -> bool:
        return not value


@final
class Pointer(Shape["S | None", "V | None"]):
    """A pointer: null where there is nothing, and never empty where there is something."""

    def __init__(self, target: Shape[S, V]) -> None:
        self.label = target.label
        self._target = target

    def zero(self) -> S | None:
        return None

    def read(self, value: Json, old: S | None) -> S | None:
        if value.kind == "null":
            return None
        return self._target.read(value, self._target.zero() if old is None else old)

    def ambiguity(self, value: Json) -> str | None:
        return self._target.ambiguity(value)

    def finish(self, state: S | None) -> V | None:
        return None if state is None else self._target.finish(state)

    def write(self, value: V | None) -> bytes:
        return b"null" if value is None else self._target.write(value)

    def is_empty(self, value: V | None) -> bool:
        return value is None


def plural(label: str) -> str:
    """The plural of a label: ``objects of strings``."""
    head, of, rest = label.partition(" of ")
    return f"{head}s{of}{rest}"


def twice(key: str) -> str:
    """The doubt about a member that is there more than once."""
    return f": the member {printable(key)!r} is there twice, and readers differ in which they take"


def write_object(members: Mapping[str, bytes]) -> bytes:
    """Write an object as Go writes a map: keys in the order of their bytes.

    The values are JSON already.
    """
    return b"{%s}" % b",".join(b"%s:%s" % (quote(key), members[key]) for key in sorted(members))
