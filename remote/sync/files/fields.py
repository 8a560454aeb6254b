"""Typed reading of the values of a sync file; every error names the file and the line."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, final

from remote.sync.files.yaml_tree import Items, Table, Text, invalid
from store.errors import StoreError, printable
from store.model.digests import Digest
from store.model.platforms import Platform
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from remote.sync.files.yaml_tree import Tree
    from store.errors import InvalidInput

_T = TypeVar("_T")

MAX_TEXT: Final = 4096
"""The most characters of one value."""

_TRUE: Final = frozenset({"true", "True", "TRUE", "yes", "on"})
_FALSE: Final = frozenset({"false", "False", "FALSE", "no", "off"})


@final
class Fields:
    """The values of one table of a file.

    Args:
        name: The name of the file.
        tree: The value that must be a table.
        what: What the table describes, for messages: ``a source``.
    """

    def __init__(self, name: str, tree: Tree, what: str) -> None:
        self.name = name
        self.what = what
        if not isinstance(tree, Table):
            raise invalid(name, tree.line, f"expected {what}, found {kind(tree)}")
        self._table = tree
        self.line = tree.line

    def __contains__(self, key: str) -> bool:
        return key in self._table.values and not _is_null(self._table.values[key])

    def keys(self) -> tuple[str, ...]:
        """Return the keys, in the order of the file."""
        return tuple(self._table.values)

    def line_of(self, key: str) -> int:
        """Return the line of a value; that of the table if there is no such key."""
        return self._table.lines.get(key, self.line)

    def error(self, key: str, fact: str, *, hint: str | None = None) -> InvalidInput:
        """Return the error for a wrong value of a key."""
        return invalid(self.name, self.line_of(key), f"{key}: {fact}", hint=hint)

    def only(self, known: Collection[str]) -> None:
        """Refuse keys that are not known; keys that begin with ``x-`` are comments.

        Raises:
            InvalidInput: There is another key.
        """
        for key in self._table.values:
            if key in known or key.startswith("x-"):
                continue
            near = get_close_matches(key, known, 1)
            raise invalid(
                self.name,
                self.line_of(key),
                f"unknown key {printable(key[:80])!r} of {self.what}",
                hint=f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}",
            )

    def refuse(self, key: str, reason: str) -> None:
        """Refuse a key that the tool of the file knows, and storectl does not support.

        Raises:
            InvalidInput: The key is there.
        """
        if key in self:
            raise invalid(self.name, self.line_of(key), f"{key} is not supported: {reason}")

    def tree(self, key: str) -> Tree | None:
        """Return a value; None if there is none."""
        return self._table.values[key] if key in self else None

    def table(self, key: str, what: str) -> Fields | None:
        """Return a table; None if there is none."""
        found = self.tree(key)
        return None if found is None else Fields(self.name, found, what)

    def tables(self, key: str, what: str) -> Iterator[Fields]:
        """Yield the tables of a list.

        Raises:
            InvalidInput: The value is not a list of tables.
        """
        found = self.tree(key)
        if found is None:
            return
        if not isinstance(found, Items):
            raise self.error(key, f"expected a list, found {kind(found)}")
        for one in found.values:
            yield Fields(self.name, one, what)

    def text(self, key: str) -> str | None:
        """Return a text; None if there is none.

        Raises:
            InvalidInput: The value is not a text, or is too long.
        """
        found = self.tree(key)
        return None if found is None else self._text(key, found)

    def required(self, key: str) -> str:
        """Return a text that must be there.

        Raises:
            InvalidInput: It is not.
        """
        found = self.text(key)
        if not found:
            raise invalid(self.name, self.line, f"{self.what} needs {key!r}")
        return found

    def texts(self, key: str) -> tuple[tuple[int, str], ...]:
        """Return the texts of a list, or one text, each with its line.

        Raises:
            InvalidInput: The value is neither a text nor a list of texts.
        """
        found = self.tree(key)
        if found is None:
            return ()
        if isinstance(found, Items):
            return tuple((one.line, self._text(key, one)) for one in found.values)
        return ((found.line, self._text(key, found)),)

    def flag(self, key: str, default: bool = False) -> bool:  # noqa: FBT001, FBT002 - a plain value
        """Return true or false.

        Raises:
            InvalidInput: The value is neither.
        """
        found = self.text(key)
        if found is None:
            return default
        if found in _TRUE or found in _FALSE:
            return found in _TRUE
        raise self.error(key, f"expected true or false, found {printable(found[:80])!r}")

    def number(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number; None if there is none.

        Raises:
            InvalidInput: The value is not a number from ``least`` to ``most``.
        """
        found = self.text(key)
        if found is None:
            return None
        is_number = found.isascii() and found.isdigit() and len(found) <= len(str(most))
        if not is_number or not least <= int(found) <= most:
            raise self.error(
                key, f"expected a whole number from {least} to {most}, found {found[:80]!r}"
            )
        return int(found)

    def parsed(self, key: str, line: int, work: Callable[[], _T]) -> _T:
        """Return what a function makes of a value; its error gets the line of the value.

        Raises:
            InvalidInput: The function raised StoreError or ValueError.
        """
        try:
            return work()
        except StoreError as error:
            raise invalid(self.name, line, f"{key}: {error.message}", hint=error.hint) from None
        except ValueError as error:
            raise invalid(self.name, line, f"{key}: {error}") from None

    def platforms(self, key: str) -> tuple[Platform, ...]:
        """Return platforms.

        Raises:
            InvalidInput: A value is not a platform.
        """
        return tuple(
            self.parsed(key, line, lambda one=text: Platform.parse(one))  # type: ignore[misc]
            for line, text in self.texts(key)
        )

    def reference(self, key: str, text: str | None = None) -> Reference:
        """Return the name of an image or a repository in a registry.

        Raises:
            InvalidInput: The name is not valid.
        """
        found = (self.required(key) if text is None else text).removeprefix("docker://")
        return self.parsed(key, self.line_of(key), lambda: Reference.parse(found))

    def path(self, key: str, folder: Path) -> Path | None:
        """Return a path; a relative one is relative to the folder of the file."""
        found = self.text(key)
        return None if found is None else folder / Path(found)

    def _text(self, key: str, tree: Tree) -> str:
        if not isinstance(tree, Text) or tree.is_null:
            raise invalid(self.name, tree.line, f"{key}: expected a text, found {kind(tree)}")
        if len(tree.text) > MAX_TEXT:
            raise invalid(self.name, tree.line, f"{key}: more than {MAX_TEXT} characters")
        return tree.text


def digest_or_tag(text: str) -> Digest | str:
    """Return a digest if the text has a colon, else the text as a tag.

    Raises:
        StoreError: It is neither.
    """
    if ":" in text:
        return Digest.parse(text)
    from remote.registry.values import Tag  # noqa: PLC0415 - checks the characters

    return Tag(text).text


def kind(tree: Tree) -> str:
    """Return what a value is, for messages."""
    if isinstance(tree, Table):
        return "a table"
    if isinstance(tree, Items):
        return "a list"
    return "nothing" if tree.is_null else f"the text {printable(tree.text[:80])!r}"


def _is_null(tree: Tree) -> bool:
    return isinstance(tree, Text) and tree.is_null
