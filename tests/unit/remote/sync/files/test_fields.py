"""Values of sync files with their types."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.sync.files.fields import MAX_TEXT, Fields, digest_or_tag, kind
from remote.sync.files.yaml_tree import read_documents
from store.errors import InvalidInput, StoreError
from store.model.digests import Digest


def fields(text: str) -> Fields:
    return Fields("FILE", read_documents(text, "FILE")[0], "a table")


def test_values_have_their_types() -> None:
    found = fields("a: yes\nb: 3\nc: [x, 1.10]\nd: ~\ne: p\nx-note: [1]\n")
    found.only(("a", "b", "c", "d", "e"))
    assert found.flag("a")
    assert found.number("b", 1, 9) == 3
    assert found.texts("c") == ((3, "x"), (3, "1.10"))
    assert "d" not in found
    assert (found.text("d"), found.number("d", 1, 2), found.flag("d", default=True)) == (
        None,
        None,
        True,
    )
    assert found.path("e", Path("/f")) == Path("/f/p")
    assert found.platforms("d") == ()


@pytest.mark.parametrize(
    ("text", "read", "message"),
    [
        ("a: [1]", lambda one: one.text("a"), "line 1: a: expected a text, found a list"),
        ("a: {b: 1}", lambda one: one.texts("a"), "a: expected a text, found a table"),
        ("a: [~]", lambda one: one.texts("a"), "a: expected a text, found nothing"),
        ("a: maybe", lambda one: one.flag("a"), "a: expected true or false, found 'maybe'"),
        ("a: 10", lambda one: one.number("a", 1, 9), "a: expected a whole number from 1 to 9"),
        ("a: -1", lambda one: one.number("a", 1, 9), "a: expected a whole number"),
        ("a: x/y/z/w", lambda one: one.platforms("a"), "line 1: a: "),
        ("a: 'UP'", lambda one: one.reference("a"), "line 1: a: "),
        ("a: 1", lambda one: one.required("b"), "line 1: a table needs 'b'"),
        ("b: 1\na: 1", lambda one: one.only(("b",)), "line 2: unknown key 'a' of a table"),
        ("a: 1", lambda one: list(one.tables("a", "x")), "a: expected a list, found the text '1'"),
        ("a: [1]", lambda one: list(one.tables("a", "x")), "expected x, found the text '1'"),
        ("a: 1", lambda one: one.refuse("a", "why"), "line 1: a is not supported: why"),
        (f"a: {'x' * (MAX_TEXT + 1)}", lambda one: one.text("a"), "a: more than 4096 characters"),
    ],
)
def test_a_wrong_value_is_refused(text: str, read: object, message: str) -> None:
    assert callable(read)
    with pytest.raises(InvalidInput) as caught:
        read(fields(text))
    assert message in caught.value.message


def test_an_unknown_key_has_a_suggestion() -> None:
    with pytest.raises(InvalidInput) as caught:
        fields("platfroms: x").only(("platforms",))
    assert caught.value.hint == "did you mean 'platforms'?"


def test_a_digest_has_a_colon() -> None:
    digest = Digest.of(b"")
    assert digest_or_tag(str(digest)) == digest
    assert digest_or_tag("1.2") == "1.2"
    for text in ("sha256:1", "-x"):
        with pytest.raises(StoreError):
            digest_or_tag(text)


def test_kinds_have_names() -> None:
    tree = read_documents("[a, {}, []]", "FILE")[0]
    assert kind(tree) == "a list"
