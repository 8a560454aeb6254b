"""The nodes of a parsed template, its ceilings, and the error with a position in the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import click

MAX_TEMPLATE_CHARACTERS: Final = 65_536
MAX_DEPTH: Final = 50
"""The most blocks and parentheses inside each other."""

MAX_STEPS: Final = 1_000_000
"""The most nodes that run for one object."""

MAX_OUTPUT_CHARACTERS: Final = 64 * 1024 * 1024
"""The most characters that the actions for one object may make, shown or not."""


@final
class TemplateError(click.UsageError):
    """A template that cannot be parsed, or that does not fit the object.

    Args:
        fact: What is wrong.
        source: The template.
        position: The offset in the template, in characters.
    """

    def __init__(self, fact: str, source: str, position: int) -> None:
        line = source.count("\n", 0, position) + 1
        column = position - (source.rfind("\n", 0, position) + 1) + 1
        super().__init__(f"invalid --format: line {line}, column {column}: {fact}")


@final
@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: a string, number, character, ``true``, ``false`` or ``nil``."""

    value: Any
    position: int


@final
@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    name: str
    position: int


@final
@dataclass(frozen=True, slots=True)
class Dot:
    """The current object, which templates write as a dot."""

    position: int


@final
@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: ``$`` or ``$name``."""

    name: str
    position: int


@final
@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of a value: ``.A.B``, ``$x.A`` or ``(index .List 0).A``."""

    of: Operand
    names: tuple[str, ...]
    position: int


@final
@dataclass(frozen=True, slots=True)
class Command:
    """One command of a pipeline: an operand, or a function with its arguments."""

    operands: tuple[Operand, ...]
    position: int


@final
@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by ``|``. The value of one is the last argument of the next.

    Attributes:
        variables: The variables that get the value.
        is_new: Whether the variables are declared (``:=``) and not only set (``=``).
        commands: The commands, of which there is at least one.
        position: The offset in the template, in characters.
    """

    variables: tuple[str, ...]
    is_new: bool
    commands: tuple[Command, ...]
    position: int


Operand: TypeAlias = Literal | Function | Dot | Variable | Fields | Pipeline


@final
@dataclass(frozen=True, slots=True)
class Text:
    """Text that is printed as it is."""

    text: str
    position: int


@final
@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline whose value is printed, unless it sets a variable."""

    pipeline: Pipeline
    position: int


@final
@dataclass(frozen=True, slots=True)
class Block:
    """A block: ``{{if}}``, ``{{with}}`` or ``{{range}}``, with its optional ``{{else}}``."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    position: int


@final
@dataclass(frozen=True, slots=True)
class Jump:
    """The end of a round of ``{{range}}``: ``{{break}}`` or ``{{continue}}``."""

    kind: str
    position: int


Node: TypeAlias = Text | Action | Block | Jump
