"""The part of JSON Schema that docs/formats/json.schema.json uses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "docs" / "formats" / "json.schema.json").read_text("utf-8")
)
KEYWORDS: Final = frozenset(
    {"$ref", "anyOf", "type", "enum", "pattern", "items", "properties", "required"}
    | {"additionalProperties", "description"}
)
_TYPES: Final[dict[str, type]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def faults(value: Any, schema: dict[str, Any], where: str = "$") -> Iterator[str]:  # noqa: ANN401
    """Yield what is wrong with a value, with the place in the document."""
    assert schema.keys() <= KEYWORDS, schema
    if "$ref" in schema:
        yield from faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
        return
    if "anyOf" in schema:
        found = [list(faults(value, one, where)) for one in schema["anyOf"]]
        if all(found):
            yield from min(found, key=len)
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is not one of {schema['enum']}"
    if "type" in schema and not _has_type(value, schema["type"]):
        yield f"{where}: {value!r} is not of type {schema['type']}"
        return
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, list):
        for position, one in enumerate(value):
            yield from faults(one, schema.get("items", {}), f"{where}[{position}]")
    if isinstance(value, dict):
        yield from _object_faults(value, schema, where)


def _object_faults(value: dict[str, Any], schema: dict[str, Any], where: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{where}: the key {key} is missing"
    for key, one in value.items():
        if key in known:
            yield from faults(one, known[key], f"{where}.{key}")
        elif not schema.get("additionalProperties", True):
            yield f"{where}: the key {key} is not in the schema"


def _has_type(value: Any, types: str | list[str]) -> bool:  # noqa: ANN401 - JSON
    names = [types] if isinstance(types, str) else types
    return any(
        isinstance(value, _TYPES[name]) and not (name == "integer" and isinstance(value, bool))
        for name in names
    )
