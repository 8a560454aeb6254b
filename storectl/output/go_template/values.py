"""Values of JSON documents as Go's templates see them: their text, truth, order and fields.

An object of the document is a struct of Docker's, unless it is the value of a field that `MAPS`
names.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Final, final

ZERO: Final[dict[str, Any]] = {
    "Variant": "",
    "OsVersion": "",
    "Layers": [],
    "ExposedPorts": {},
    "Healthcheck": None,
    "ArgsEscaped": False,
    "NetworkDisabled": False,
    "MacAddress": "",
    "StopSignal": "",
    "StopTimeout": None,
    "Shell": [],
}
"""The values of fields that docker's JSON leaves out if they are empty."""

MAPS: Final = frozenset({"Labels", "ExposedPorts", "Volumes", "Attributes", "Annotations"})
"""The fields whose values are maps, where a key may be missing."""


@final
class ValueFault(Exception):
    """A value that does not fit. The caller adds the position in the template."""


@final
class Map(dict[str, Any]):
    """A map, whose keys are not known in advance."""


@final
class Struct(dict[str, Any]):
    """An object whose fields have other names in templates than in JSON, as some of Docker's.

    Args:
        fields: The names in templates, with their values.
        document: The object as JSON.
    """

    def __init__(self, fields: dict[str, Any], document: dict[str, Any]) -> None:
        super().__init__(fields)
        self.document = document


@final
class Missing:
    """The value of a key that a map does not have."""

    def __str__(self) -> str:
        return "<no value>"


MISSING: Final = Missing()


def field(value: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value of a field.

    Raises:
        ValueFault: The value is not an object, or has no such field.
    """
    if isinstance(value, Map):
        return value.get(name, MISSING)
    if not isinstance(value, dict):
        raise ValueFault(f"no field {name} in {kind(value)}")
    if name not in value and name not in ZERO:
        raise ValueFault(f"no field {name}; the fields are {', '.join(value) or 'none'}")
    found = value.get(name, ZERO.get(name))
    return Map(found) if isinstance(found, dict) and name in MAPS else found


def is_true(value: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether Go's ``if`` takes a value as true: it is not zero, nil, missing or empty."""
    return not isinstance(value, Missing) and bool(value)


def text(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a value as Go's fmt prints it with ``%v``.

    Raises:
        ValueFault: The value is a struct, which Go prints without the names of its fields.
    """
    match value:
        case list():
            return f"[{' '.join(map(text, value))}]"
        case dict():
            return _object_text(value)
        case float():
            return _float(value)
        case bool():
            return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _object_text(value: dict[str, Any]) -> str:
    if not value:
        return "map[]" if isinstance(value, Map) else "{}"
    if any(isinstance(one, dict | list) and one for one in value.values()):
        raise ValueFault(
            f"the value is an object: name a field of it ({', '.join(value)}), or use json"
        )
    return f"map[{' '.join(f'{key}:{text(value[key])}' for key in sorted(value))}]"


def _float(value: float) -> str:
    """Return a number like Go's ``%v``: the shortest digits, an exponent from 21 digits on."""
    plain = repr(value)
    mantissa, exponent, power = plain.partition("e")
    if exponent:
        return f"{mantissa.removesuffix('.0')}e{int(power):+03d}"
    return plain.removesuffix(".0")


def kind(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return the kind of a value in words, for error messages."""
    return next((words for types, words in _KINDS if isinstance(value, types)), "an object")


_KINDS: Final[tuple[tuple[type | UnionType, str], ...]] = (
    (Missing, "a missing value"),
    (NoneType, "nil"),
    (bool, "a boolean"),
    (int | float, "a number"),
    (str, "a string"),
    (list, "a list"),
    (Map, "a map"),
)


def equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether two values are equal.

    Raises:
        ValueFault: The values have different kinds, or cannot be compared.
    """
    if one is None or other is None:
        return one is None and other is None
    _require_same(one, other)
    return bool(one == other)


def less(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether a value is less than another one.

    Raises:
        ValueFault: The values have different kinds, or no order.
    """
    if not isinstance(one, str | int | float) or isinstance(one, bool):
        raise ValueFault(f"{kind(one)} cannot be compared")
    _require_same(one, other)
    return bool(one < other)


def _require_same(one: Any, other: Any) -> None:  # noqa: ANN401 - JSON
    for value in (one, other):
        if not isinstance(value, str | int | float):
            raise ValueFault(f"{kind(value)} cannot be compared")
    if type(one) is not type(other):
        raise ValueFault(f"{kind(one)} cannot be compared with {kind(other)}")
