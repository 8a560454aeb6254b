"""YAML as a tree of values with line numbers, read with ceilings.

Scalars stay text: an unquoted tag ``1.10`` is not the number 1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from store.errors import InvalidInput, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 4 * 1024 * 1024
"""The size of the largest sync file, in bytes."""

MAX_VALUES: Final = 500_000
"""The most values of one file; each use of an alias counts its values again."""

MAX_DEPTH: Final = 32
"""How deep values may be nested."""

_MERGE: Final = "<<"
_CORE_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


@final
@dataclass(frozen=True, slots=True)
class Text:
    """A scalar.

    Attributes:
        line: The line on which it begins, from 1.
        text: Its text, as written.
        is_quoted: Whether it was written in quotes or as a block, so that it is not null.
    """

    line: int
    text: str
    is_quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it means that there is no value."""
        return not self.is_quoted and self.text in _NULLS


@final
@dataclass(slots=True)
class Items:
    """A list of values."""

    line: int
    values: list[Tree] = field(default_factory=list)


@final
@dataclass(slots=True)
class Table:
    """Values by key, in the order of the file; each key has its line.

    Attributes:
        line: The line on which it begins, from 1.
        values: The values.
        lines: The line of each key.
        merged: The keys that came from a merge (``<<``), which other keys of the table replace.
    """

    line: int
    values: dict[str, Tree] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    merged: set[str] = field(default_factory=set)


Tree: TypeAlias = Text | Items | Table


def invalid(name: str, line: int, fact: str, *, hint: str | None = None) -> InvalidInput:
    """Return the error for a wrong line of a file.

    Args:
        name: The name of the file.
        line: The line, from 1.
        fact: What is wrong.
        hint: What to do about it.
    """
    return InvalidInput(f"invalid {name}: line {line}: {fact}", hint=hint)


def read_documents(text: str, name: str) -> list[Tree]:
    """Return the documents of a YAML file.

    Args:
        text: The content of the file.
        name: The name of the file, for messages.

    Raises:
        InvalidInput: The text is not YAML, or exceeds a ceiling.
    """
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - only sync files need it

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    building = _Building(name)
    try:
        for event in yaml.parse(text, Loader=loader):
            building.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        fact = printable((error.problem or error.context or "it is not YAML")[:160])
        raise invalid(name, 1 if mark is None else mark.line + 1, fact) from None
    except yaml.YAMLError as error:
        # Characters that YAML does not allow have a position, and no line.
        at = getattr(error, "position", 0) or 0
        line = text.count("\n", 0, at) + 1
        raise invalid(name, line, "a character that YAML does not allow") from None
    return building.documents


@final
class _Building:
    """The documents, built from the events of a parser without recursion."""

    def __init__(self, name: str) -> None:
        self.documents: list[Tree] = []
        self._name = name
        self._open: list[Items | Table] = []
        self._keys: list[str | None] = []
        self._anchors: dict[str, Tree] = {}
        self._sizes: dict[int, int] = {}
        self._counts: list[int] = []
        self._anchored: list[str | None] = []
        self._count = 0

    def add(self, event: Any) -> None:  # noqa: ANN401 - PyYAML has no types
        kind = type(event).__name__
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if kind == "DocumentStartEvent":
            self._anchors = {}
        elif kind == "ScalarEvent":
            self._require_plain(event, line)
            value = Text(line, event.value, is_quoted=not event.implicit[0])
            self._anchor(event.anchor, value)
            self._take(value, line, 1)
        elif kind == "AliasEvent":
            found = self._anchors.get(event.anchor)
            if found is None:
                raise invalid(self._name, line, f"unknown alias {printable(event.anchor[:80])!r}")
            self._take(found, line, self._sizes.get(id(found), 1))
        elif kind in {"SequenceStartEvent", "MappingStartEvent"}:
            self._require_plain(event, line)
            if len(self._open) >= MAX_DEPTH:
                raise invalid(self._name, line, f"values are nested more than {MAX_DEPTH} deep")
            self._open.append(Items(line) if kind == "SequenceStartEvent" else Table(line))
            self._keys.append(None)
            self._counts.append(self._count)
            self._anchored.append(event.anchor)
        elif kind in {"SequenceEndEvent", "MappingEndEvent"}:
            done = self._open.pop()
            self._keys.pop()
            size = self._count - self._counts.pop() + 1
            # An alias within its own value is not known yet, so no value contains itself.
            self._anchor(self._anchored.pop(), done, size)
            self._take(done, done.line, 1)

    def _require_plain(self, event: Any, line: int) -> None:  # noqa: ANN401 - as `add`
        if event.tag is not None and event.tag not in _CORE_TAGS and event.tag != "!":
            raise invalid(self._name, line, f"unsupported YAML tag {printable(event.tag[:80])!r}")

    def _anchor(self, anchor: str | None, value: Tree, size: int = 1) -> None:
        if anchor is not None:
            self._anchors[anchor] = value
            self._sizes[id(value)] = size

    def _take(self, value: Tree, line: int, size: int) -> None:
        self._count += size
        if self._count > MAX_VALUES:
            raise invalid(self._name, line, f"more than {MAX_VALUES} values")
        if not self._open:
            self.documents.append(value)
            return
        holder = self._open[-1]
        if isinstance(holder, Items):
            holder.values.append(value)
        else:
            self._take_in(holder, value, line)

    def _take_in(self, holder: Table, value: Tree, line: int) -> None:
        """Take a key of a table, or the value of the last key."""
        key = self._keys[-1]
        if key is None:
            if not isinstance(value, Text):
                raise invalid(self._name, line, "expected a key, found a list or a table")
            self._keys[-1] = value.text
            if value.text not in holder.values or value.text in holder.merged:
                holder.lines[value.text] = line
            return
        self._keys[-1] = None
        if key == _MERGE:
            del holder.lines[key]
            for merged in self._merged(value, line):
                for name, one in merged.values.items():
                    if name not in holder.values:
                        holder.values[name] = one
                        holder.lines[name] = merged.lines[name]
                        holder.merged.add(name)
            return
        if key in holder.values and key not in holder.merged:
            raise invalid(self._name, line, f"the key {printable(key[:80])!r} is given twice")
        holder.merged.discard(key)
        holder.values[key] = value

    def _merged(self, value: Tree, line: int) -> Iterator[Table]:
        for one in value.values if isinstance(value, Items) else [value]:
            if not isinstance(one, Table):
                raise invalid(self._name, line, "<<: expected a table to merge")
            yield one
