"""The interface `Shape` for Go's types in JSON, and the shapes of Go's scalar types.

Keys may repeat in JSON, and Go often merges the repeated values. So a `Shape` reads values into a
*state*, and turns the state into the final value at the end of the document.

Lists, maps and pointers are in `store.formats.golang.containers`, structs in
`store.formats.golang.structs`. Source: docker-archive.md §2.1 and §2.2; Go 1.19, encoding/json.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Generic, TypeVar, final

from store.errors import printable
from store.formats.golang.json_writing import quote
from store.formats.golang.times import ZERO_TIME, GoTime

if TYPE_CHECKING:
    from store.formats.golang.json import Json

S = TypeVar("S")  # the state of a value while its document is being read
V = TypeVar("V")  # the final value

_INTEGER: Final = re.compile(rb"-?[0-9]{1,19}")
_INTEGER_BITS: Final = 64
_QUOTED_CHARS: Final = 60
_TIME_BYTES: Final = 192
"""Memory of one `GoTime` and the numbers in it, in bytes."""


class Shape(ABC, Generic[S, V]):
    """A Go type, with methods that read its values from JSON and write them to JSON."""

    label: str
    """The type's name in errors, for example ``list of strings``."""

    @abstractmethod
    def zero(self) -> S:
        """Return Go's zero value: the state before a value is read."""

    @abstractmethod
    def read(self, value: Json, old: S) -> S:
        """Read ``value`` over an earlier state, as Go does for a repeated key.

        Args:
            value: The value to read.
            old: The state so far, at first the result of `zero`. It may be changed or reused.

        Returns:
            The new state.

        Raises:
            Mismatch: The type cannot hold ``value``.
        """

    def ambiguity(self, value: Json) -> str | None:  # noqa: ARG002 - scalars have one reading
        """Return why other readers may read ``value`` differently from Go.

        Args:
            value: A value that `read` has accepted.

        Returns:
            A path inside the value, and the reason; None if all readers agree.
        """
        return None

    @abstractmethod
    def finish(self, state: S) -> V:
        """Turn the state into the final value. The caller must not use the state again."""

    @abstractmethod
    def write(self, value: V) -> bytes:
        """Return the value as compact JSON."""

    @abstractmethod
    def is_empty(self, value: V) -> bool:
        """Whether Go's ``omitempty`` leaves the value out."""


class Mismatch(Exception):
    """A value that its shape cannot hold.

    `store.formats.golang.structs.unmarshal` turns this error into an InvalidDocument. ``path`` is
    the value's place, innermost part first: each shape that the error passes through adds a part.
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
    """A type without a null value: reading null keeps the old value."""

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
    label = "64-bit integer"

    def zero(self) -> int:
        return 0

    def read(self, value: Json, old: int) -> int:
        if value.kind == "null":
            return old
        # The pattern bounds the number of digits: `int` raises for thousands of digits.
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
                    value.budget.spend(_TIME_BYTES)
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
