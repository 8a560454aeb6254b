"""Go structs, read from JSON and written as JSON."""

# ruff: noqa: RUF009 - `member` returns a dataclass field, as `dataclasses.field` does

from __future__ import annotations

from dataclasses import dataclass

import pytest

from store.errors import InvalidDocument
from store.formats.golang.containers import ListOf, Pointer
from store.formats.golang.json import parse
from store.formats.golang.structs import Struct, member, reject_ambiguous, unmarshal
from store.formats.golang.types import INTEGER, STRING
from store.model.limits import DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class Inner:
    user: str = member("User", STRING)
    env: tuple[str, ...] | None = member("Env", ListOf(STRING))


@dataclass(frozen=True, slots=True)
class Outer:
    os: str = member("os", STRING, omit_empty=True)
    docker_version: str = member("docker_version", STRING, omit_empty=True)
    size: int = member("Size", INTEGER)
    inner: Inner | None = member("inner", Pointer(Struct(Inner)), omit_empty=True)


OUTER = Struct(Outer)


def read(text: str | bytes) -> Outer:
    data = text.encode() if isinstance(text, str) else text
    return unmarshal(OUTER, parse(data, DEFAULT_LIMITS, document="it"), document="it")


def rejected(text: str) -> str | None:
    """Return the reason why `reject_ambiguous` refuses the text, or None for an accepted text."""
    try:
        reject_ambiguous(OUTER, parse(text.encode(), DEFAULT_LIMITS, document="it"), document="it")
    except InvalidDocument as refused:
        return refused.message
    return None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"os":"a","OS":"b"}', "b"),
        ('{"OS":"a","os":"b"}', "b"),
        ('{"os":"a","os":null}', "a"),
        ('{"o\\u0073":"a"}', "a"),
        ('{"\u00f6s":"a"}', ""),
        ('{"os ":"a"}', ""),
        ("null", ""),
    ],
)
def test_members_are_applied_in_order_and_their_keys_match_in_any_case(
    text: str, value: str
) -> None:
    assert read(text).os == value


def test_long_s_and_kelvin_sign_match_as_go_folds_them() -> None:
    assert read('{"o\u017f":"linux"}').os == "linux"
    assert read(b'{"docker_ver\xc5\xbfion":"1"}').docker_version == "1"
    assert read('{"doc\u212aer_version":"1"}').docker_version == "1"
    assert read('{"\u0130s":"x"}').os == ""


def test_repeated_structs_are_merged_member_by_member() -> None:
    merged = read('{"inner":{"User":"u","Env":["a","b"]},"INNER":{"Env":["c"]},"inner":{}}')
    assert merged.inner == Inner(user="u", env=("c",))
    replaced = read('{"inner":{"User":"u"},"inner":null,"inner":{"Env":[]}}')
    assert replaced.inner == Inner(env=())


def test_empty_members_are_left_out_where_the_struct_says_so() -> None:
    assert OUTER.write(Outer()) == b'{"Size":0}'
    assert OUTER.write(Outer("linux", inner=Inner())) == (
        b'{"os":"linux","Size":0,"inner":{"User":"","Env":null}}'
    )


def test_a_wrong_type_is_refused_with_the_path_of_the_member() -> None:
    with pytest.raises(InvalidDocument) as caught:
        read('{"INNER":{"env":["a",1]}}')
    assert caught.value.document == "it"
    assert caught.value.message == ("it: inner.Env[1]: expected string, found number 1, at byte 21")


def test_a_repeated_member_is_ambiguous_even_when_it_is_unknown() -> None:
    assert rejected('{"os":"a","inner":{"User":"u"},"unknown":[{"x":1,"x":2}]}') is None
    for text in ('{"os":"a","os":"a"}', '{"x":1,"x":2}'):
        assert (reason := rejected(text)) is not None
        assert "is repeated" in reason
    assert rejected('{"inner":{"User":"u","User":"v"}}') == (
        "it: inner: the member 'User' is repeated, and readers differ in which one they use"
    )


def test_a_member_in_another_case_is_ambiguous() -> None:
    assert rejected('{"OS":"a"}') == (
        "it: some readers read the member 'OS' as 'os', others ignore it"
    )
