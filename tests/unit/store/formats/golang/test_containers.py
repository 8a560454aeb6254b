"""Go's slices, maps and pointers, read from JSON and written as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pytest

from store.errors import InvalidDocument
from store.formats.golang.containers import (
    KeySet,
    ListOf,
    MapOf,
    Pointer,
    StringOrList,
    plural,
)
from store.formats.golang.json import parse
from store.formats.golang.structs import Struct, member, unmarshal
from store.formats.golang.types import INTEGER, STRING
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from store.formats.golang.types import Shape

S = TypeVar("S")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Pair:
    a: str = member("a", STRING)
    b: str = member("b", STRING)


def read(shape: Shape[S, V], *texts: str) -> V:
    """Read several texts into one value, as Go reads the values of a repeated key."""
    state = shape.zero()
    for text in texts:
        state = shape.read(parse(text.encode(), DEFAULT_LIMITS, document="it"), state)
    return shape.finish(state)


def refusal(shape: Shape[S, V], text: str) -> str:
    with pytest.raises(InvalidDocument) as caught:
        unmarshal(shape, parse(text.encode(), DEFAULT_LIMITS, document="it"), document="it")
    return caught.value.message


def ambiguity(shape: Shape[S, V], text: str) -> str | None:
    return shape.ambiguity(parse(text.encode(), DEFAULT_LIMITS, document="it"))


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (["null"], None),
        (["[]"], ()),
        (['["a","b","c"]', '["x"]'], ("x",)),
        (['["a","b"]', '[null,"y"]'], ("a", "y")),
        (['["a","b","c"]', '["x"]', "[null,null,null,null]"], ("x", "b", "c", "")),
        (['["a"]', "[]", "[null]"], ("",)),
        (['["a"]', "null", "[null]"], ("",)),
    ],
)
def test_a_repeated_list_replaces_the_first_but_null_elements_keep_old_values(
    texts: list[str], value: tuple[str, ...] | None
) -> None:
    assert read(ListOf(STRING), *texts) == value


def test_a_repeated_list_of_structs_merges_its_elements() -> None:
    pairs = ListOf(Struct(Pair))
    assert read(pairs, '[{"a":"1","b":"2"}]', '[{"b":"3"}]') == (Pair("1", "3"),)


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (["null"], None),
        (["{}"], {}),
        (['{"a":"1","b":"2"}', '{"b":"3","c":"4"}'], {"a": "1", "b": "3", "c": "4"}),
        (['{"a":"1"}', "null", '{"c":"4"}'], {"c": "4"}),
        (['{"a":"1","a":null}'], {"a": ""}),
    ],
)
def test_a_repeated_map_adds_its_entries(texts: list[str], value: dict[str, str] | None) -> None:
    assert read(MapOf(STRING), *texts) == value


def test_a_repeated_set_of_keys_adds_its_keys() -> None:
    assert read(KeySet(), '{"/b":{}}', '{"/a":null}') == ("/a", "/b")
    assert read(KeySet(), '{"/a":{}}', "null") is None


def test_a_bare_string_is_a_list_of_one() -> None:
    assert read(StringOrList(), '"x y"') == ("x y",)
    assert read(StringOrList(), '["a"]', "[null]") == ("",)
    assert read(StringOrList(), '["a"]', "null") is None


def test_a_pointer_keeps_null_apart_from_an_empty_target() -> None:
    pair = Pointer(Struct(Pair))
    assert read(pair, "null") is None
    assert read(pair, "{}") == Pair()
    assert read(pair, '{"a":"1"}', '{"b":"2"}') == Pair("1", "2")
    assert read(pair, '{"a":"1"}', "null", '{"b":"2"}') == Pair("", "2")
    assert pair.is_empty(None)
    assert not pair.is_empty(Pair())


@pytest.mark.parametrize(
    ("shape", "value", "text"),
    [
        (ListOf(STRING), None, b"null"),
        (ListOf(STRING), ("a", "<"), b'["a","\\u003c"]'),
        (MapOf(INTEGER), None, b"null"),
        (MapOf(INTEGER), {"b": 1, "a": 2}, b'{"a":2,"b":1}'),
        (KeySet(), None, b"null"),
        (KeySet(), ("a", "b"), b'{"a":{},"b":{}}'),
        (StringOrList(), None, b"null"),
        (StringOrList(), ("a",), b'["a"]'),
        (Pointer(STRING), None, b"null"),
        (Pointer(STRING), "a", b'"a"'),
    ],
)
def test_values_are_written_as_go_writes_them(
    shape: Shape[object, object], value: object, text: bytes
) -> None:
    assert shape.write(value) == text


def test_a_wrong_element_is_refused_with_its_position() -> None:
    assert refusal(ListOf(STRING), '["a",true]') == (
        "it: [1]: expected string, found bool true, at byte 5"
    )
    assert refusal(ListOf(STRING), '"a"').startswith("it: expected list of strings, found string")
    assert refusal(MapOf(STRING), "[]").startswith("it: expected object of strings, found array")
    assert refusal(KeySet(), '{"80":"x"}').startswith("it: expected object, found string")
    assert refusal(StringOrList(), "5").startswith("it: expected string or list of strings")


def test_a_repeated_key_is_an_ambiguity_at_any_depth() -> None:
    maps = ListOf(MapOf(STRING))
    assert ambiguity(maps, '[{"a":"1"},{"b":"1","c":"2"}]') is None
    assert ambiguity(maps, "null") is None
    found = ambiguity(maps, '[{"a":"1"},{"b":"1","b":"2"}]')
    assert found is not None
    assert found.startswith("[1]: the member 'b' is repeated")
    assert ambiguity(Pointer(Struct(Pair)), '{"b":"1","b":"2"}') is not None
    assert ambiguity(MapOf(MapOf(STRING)), '{"x":{"b":"1","b":"2"}}') == (
        ".x: the member 'b' is repeated, and readers differ in which one they use"
    )


def test_labels_have_a_plural() -> None:
    assert plural("string") == "strings"
    assert plural("object of strings") == "objects of strings"
