"""YAML as a tree with lines, with ceilings against hostile files."""

from __future__ import annotations

import pytest

from remote.sync.files.yaml_tree import MAX_DEPTH, Items, Table, Text, read_documents
from store.errors import InvalidInput


def only(text: str) -> Table:
    (found,) = read_documents(text, "FILE")
    assert isinstance(found, Table)
    return found


def test_values_keep_their_text_and_their_line() -> None:
    table = only('a: 1.10\nb:\n  - "yes"\n  - ~\n')
    assert table.values["a"] == Text(1, "1.10")
    items = table.values["b"]
    assert isinstance(items, Items)
    assert [(one.line, one.is_null) for one in items.values if isinstance(one, Text)] == [
        (3, False),
        (4, True),
    ]
    assert table.lines == {"a": 1, "b": 2}


def test_own_keys_replace_merged_ones() -> None:
    table = only("x: &x {a: 1, b: 2}\ny:\n  b: 3\n  <<: *x\nz:\n  <<: [*x]\n  a: 4\n")
    for key, want in (("y", {"b": "3", "a": "1"}), ("z", {"b": "2", "a": "4"})):
        found = table.values[key]
        assert isinstance(found, Table)
        assert {
            name: one.text for name, one in found.values.items() if isinstance(one, Text)
        } == want


def test_documents_have_anchors_of_their_own() -> None:
    assert len(read_documents("a: 1\n---\nb: 2\n", "FILE")) == 2
    with pytest.raises(InvalidInput, match="line 3: unknown alias 'x'"):
        read_documents("a: &x 1\n---\nb: *x\n", "FILE")


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "line 2: "),
        ("a: *nobody", "line 1: unknown alias 'nobody'"),
        ("a: &x [*x]", "line 1: unknown alias 'x'"),
        ("a: 1\na: 2\n", "line 2: the key 'a' is given twice"),
        ("? [a]\n: b\n", "line 1: expected a key, found a list or a table"),
        ("a: !!python/object/apply:os.system [id]", "line 1: unsupported YAML tag"),
        ("a: !secret x", "line 1: unsupported YAML tag '!secret'"),
        ("<<: 3", "line 1: <<: expected a table to merge"),
        ("a: b\x00", "line 1: a character that YAML does not allow"),
        ("[" * 100_000, f"line 1: values are nested more than {MAX_DEPTH} deep"),
        (BOMB, "more than 500000 values"),
        ("\t- a", "line 1: "),
        ("a: b: c", "line 1: "),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_documents(text, "FILE")
    assert caught.value.message.startswith("invalid FILE: line ")
    assert message in caught.value.message
