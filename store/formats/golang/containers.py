"""Shapes of Go's slices, maps and pointers in JSON (docker-archive.md §2.1 and §2.2; Go 1.19).

None and an empty container are different values, as are nil and an empty container in Go.
"""

# ruff: noqa: D102 - the methods of a shape promise what `Shape` says

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar, cast, final

from store.errors import printable
from store.formats.golang.json_writing import quote, write_object
from store.formats.golang.types import STRING, Mismatch, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.formats.golang.json import Json

S = TypeVar("S")  # the state of an element while its document is being read
V = TypeVar("V")  # the element's final value


@final
class StringOrList(Shape["tuple[str, ...] | None", "tuple[str, ...] | None"]):
    """Docker's ``strslice.StrSlice``: a list of strings, which JSON may give as a single string.

    A repeated key replaces the whole list.
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
    """A Go slice: the first ``length`` elements of an array, which may hold more, old elements."""

    array: list[S]
    length: int


@final
class ListOf(Shape["_Slice[S] | None", "tuple[V, ...] | None"]):
    """The shape of a Go slice.

    If a JSON object repeats the key of a slice, Go reads the second list into the existing
    elements: null keeps an old string, and an object is merged into an old struct. If a shorter
    list replaces a longer list, the surplus elements stay in Go's array. They appear again if a
    third list is longer.
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
        # Convert in place, so that states and values are never all in memory at once.
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
    """The shape of a Go map with string keys.

    If a JSON object repeats the key of a map, the second map adds its entries to the first map. If
    both maps have the same key, the entry of the second map wins.
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
                return repeated_member(key)
            seen.add(key)
            why = self._element.ambiguity(entry)
            if why is not None:
                return f".{printable(key)}{why}"
        return None

    def finish(self, state: dict[str, S] | None) -> Mapping[str, V] | None:
        if state is None:
            return None
        # Convert in place: a second dict of millions of labels would need too much memory.
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
    """``map[string]struct{}``: a set of keys, kept in the order of their bytes.

    The values must be objects or null; they are written as ``{}``.
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
    """The shape of a Go pointer: null becomes None. ``omitempty`` leaves out null only."""

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
    """Return the plural of a shape's label: ``objects of strings``."""
    head, of, rest = label.partition(" of ")
    return f"{head}s{of}{rest}"


def repeated_member(key: str) -> str:
    """Return the reason why a repeated member of an object is ambiguous."""
    return f": the member {printable(key)!r} is repeated, and readers differ in which one they use"
