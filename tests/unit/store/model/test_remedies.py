"""Messages of library modules do not name flags or commands of storectl."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidArchive, TooLarge
from store.model.remedies import Note, Remedy
from storectl.cli import ALIASES, VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
LIBRARIES = ("store", "exporter", "remote", "mirror")
COMMAND_LINE = re.compile(
    rf"(?<![\w-])(?:--[a-z][a-z-]+|-[a-z]\b)|\bstorectl (?:{'|'.join((*VERBS, *ALIASES))})\b"
)
"""The pattern of a flag (``--prefix``, ``-o``) or a command (``storectl gc``) in a text."""
OTHER_PROGRAMS = re.compile(r"\b(?:ulimit|cp) -[a-z]\b")
"""The pattern of a command of another program, which every user interface may name."""


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of every string literal that is not a docstring."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            # Join the fixed parts of an f-string, with a digit in place of each value.
            parts = [part.value if isinstance(part, ast.Constant) else "0" for part in node.values]
            yield node.lineno, "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and id(node) not in documentation:
            yield node.lineno, str(node.value)


def named_flags(source: str) -> list[tuple[int, str]]:
    """Return the line number and the text of each string that names a storectl flag or command."""
    return [
        (line, text)
        for line, text in literals(source)
        if COMMAND_LINE.search(OTHER_PROGRAMS.sub("", text))
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_library_messages_name_no_flags_or_commands(library: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / library).rglob("*.py"))
        for line, text in named_flags(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["give --prefix NAME", "`storectl gc` frees it", "write it with -o", "--listen takes"]
)
def test_flags_and_commands_are_found(text: str) -> None:
    assert named_flags(f"hint = {text!r}") == [(1, text)]
    assert named_flags(f'"""{text}"""') == []


@pytest.mark.parametrize(
    "text",
    ["a--b", "--", "`ulimit -n` and `cp -l`", "linux/amd64 - all", "storectl made it", "x-y"],
)
def test_other_dashes_are_not_flags(text: str) -> None:
    assert named_flags(f"hint = {text!r}") == []


def test_every_remedy_is_documented_and_used() -> None:
    source = (ROOT / "store/model/remedies.py").read_text()
    (enum,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Remedy"
    )
    kinds = [type(node) for node in enum.body[1:]]
    assert kinds == [ast.Assign, ast.Expr] * len(Remedy)
    code = "\n".join(
        path.read_text() for library in LIBRARIES for path in (ROOT / library).rglob("*.py")
    )
    assert [remedy for remedy in Remedy if f"Remedy.{remedy.name}" not in code] == []


def test_an_error_keeps_its_remedy_through_its_branches() -> None:
    error = InvalidArchive("x", member="a", offset=3, remedy=Remedy.CONVERT_SCHEMA_1)
    assert (error.remedy, error.hint) == (Remedy.CONVERT_SCHEMA_1, None)
    assert TooLarge("x", limit=1).remedy is None


def test_a_note_is_its_text_with_a_remedy() -> None:
    note = Note("left out", Remedy.SAVE_AS_OCI)
    assert note == "left out"
    assert note.remedy is Remedy.SAVE_AS_OCI
    assert Note("left out").remedy is None
