"""Go structs as frozen dataclasses, and the functions that read them from JSON and write them.

Source: docker-archive.md §2.1 and §2.2; Go 1.19, encoding/json. Each field declares what Go writes
in a struct tag::

    @dataclass(frozen=True, slots=True)
    class Healthcheck:
        test: tuple[str, ...] | None = member("Test", ListOf(STRING), omit_empty=True)
"""

# ruff: noqa: D102 - the methods of a shape promise what `Shape` says

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final

from store.errors import InvalidDocument, printable
from store.formats.golang.containers import repeated_member
from store.formats.golang.json_writing import quote
from store.formats.golang.types import Mismatch, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.formats.golang.json import Json

S = TypeVar("S")
V = TypeVar("V")

_TAG: Final = "go"
# All empty structs share one mapping, because a hostile list may have millions of empty structs.
_NOTHING_SET: Final[Mapping[str, object]] = MappingProxyType({})


def unmarshal(shape: Shape[S, V], value: Json, *, document: str) -> V:
    """Return a whole JSON document as a value of its Go type.

    Args:
        shape: The document's Go type.
        value: The document's top-level value.
        document: The document's name in errors.

    Raises:
        InvalidDocument: A member has the wrong type; the message has the member's path, the
            expected type and the value.
        TooLarge: The document has used up its memory (see `Budget`).
    """
    try:
        return shape.finish(shape.read(value, shape.zero()))
    except Mismatch as mismatch:
        raise InvalidDocument(str(mismatch), document=document) from None


def reject_ambiguous(shape: Shape[S, V], value: Json, *, document: str) -> None:
    """Refuse a document that other readers may read differently from Go.

    Args:
        shape: The document's Go type.
        value: A document that `unmarshal` has accepted.
        document: The document's name in errors.

    Raises:
        InvalidDocument: A member is repeated, or its name differs from the struct's only in case.
    """
    why = shape.ambiguity(value)
    if why is not None:
        raise InvalidDocument(why.removeprefix(": ").removeprefix("."), document=document)


def member(name: str, shape: Shape[S, V], *, omit_empty: bool = False) -> V:
    """Declare a dataclass field as a member of a Go struct; its default is Go's zero value.

    Args:
        name: The member's JSON name, which must be ASCII (in Go it need not be).
        shape: The member's Go type.
        omit_empty: Whether to leave out an empty value when writing, like Go's ``omitempty``.
    """
    return dataclasses.field(
        default=shape.finish(shape.zero()), metadata={_TAG: (name, shape, omit_empty)}
    )


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    attribute: str
    shape: Shape[Any, Any]
    omit_empty: bool


@final
class Struct(Shape["Mapping[str, object]", V]):
    """The shape of a Go struct, declared by a dataclass whose fields are all made by `member`.

    A key in JSON sets the member with exactly that name, or else a member whose name differs only
    in case. Unknown keys are skipped. A null or absent member keeps its old value. While JSON is
    read, the state holds the members that were set so far.
    """

    label = "object"

    def __init__(self, cls: type[V]) -> None:
        self._cls = cls
        tags = (
            (field.name, *field.metadata[_TAG]) for field in dataclasses.fields(cast("Any", cls))
        )
        self._members = tuple(
            _Member(name, attribute, shape, omit_empty)
            for attribute, name, shape, omit_empty in tags
        )
        self._exact = {item.name: item for item in self._members}
        self._folded = {_fold(item.name): item for item in self._members}
        self._shapes = {item.attribute: item.shape for item in self._members}
        self._default = cls()

    def zero(self) -> Mapping[str, object]:
        return _NOTHING_SET

    def read(self, value: Json, old: Mapping[str, object]) -> Mapping[str, object]:
        match value.kind:
            case "null":
                return old
            case "object":
                pass
            case _:
                raise Mismatch(self.label, value)
        state: dict[str, object] = {}
        for key, entry in value.members():
            item = self._exact.get(key) or self._folded.get(_fold(key))
            if item is None:
                continue
            if not state:
                state = dict(old)
            try:
                state[item.attribute] = item.shape.read(
                    entry, state[item.attribute] if item.attribute in state else item.shape.zero()
                )
            except Mismatch as mismatch:
                mismatch.path.append(f".{item.name}")
                raise
        return state or old

    def ambiguity(self, value: Json) -> str | None:
        seen: set[str] = set()
        for key, entry in value.members() if value.kind == "object" else ():
            item = self._exact.get(key) or self._folded.get(_fold(key))
            if key in seen:
                return repeated_member(key)
            seen.add(key)
            if item is None:
                continue
            if key != item.name:
                return (
                    f": some readers read the member {printable(key)!r} as {item.name!r}, others"
                    " ignore it"
                )
            why = item.shape.ambiguity(entry)
            if why is not None:
                return f".{item.name}{why}"
        return None

    def finish(self, state: Mapping[str, object]) -> V:
        return (
            self._cls(
                **{
                    attribute: self._shapes[attribute].finish(value)
                    for attribute, value in state.items()
                }
            )
            if state
            else self._default
        )

    def members(self, value: V) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the JSON text of each member that Go writes, in the struct's order."""
        for item in self._members:
            content = getattr(value, item.attribute)
            if not (item.omit_empty and item.shape.is_empty(content)):
                yield item.name, item.shape.write(content)

    def write(self, value: V) -> bytes:
        return b"{%s}" % b",".join(
            b"%s:%s" % (quote(name), text) for name, text in self.members(value)
        )

    def is_empty(self, value: V) -> bool:  # noqa: ARG002 - a struct is never empty
        return False


def _fold(key: str) -> str:
    """Return a form of ``key`` that is equal for all keys that Go treats as the same name.

    Names are ASCII. Only two letters outside ASCII fold into ASCII letters.
    """
    if not key.isascii():
        key = key.replace("\N{LATIN SMALL LETTER LONG S}", "s").replace("\N{KELVIN SIGN}", "k")
    return key.lower() if key.isascii() else key
