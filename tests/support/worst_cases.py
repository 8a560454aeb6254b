"""Texts that make a regular expression backtrack, and the processor time that they take.

The texts are made from the pattern. A text has the shortest start that reaches a repetition of the
pattern, then many rounds of the repetition, then an end that does not match.
"""

from __future__ import annotations

import ast
import gc
import importlib
import pkgutil
import re
import time
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]  # the parse tree has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORT: Final = 1_000
LONG: Final = 8 * SHORT

_FACTOR: Final = 24
"""A text eight times as long may take 24 times as long; quadratic matching takes 64 times."""

_ENOUGH_S: Final = 0.01
"""Seconds below which a text is not judged, because the clock is too coarse."""

_TRIES: Final = 5
_ALPHABET: Final = "a0A \t;,:=-_.*/<>\"'\\()[]{}f@\n\0"
_ENDS: Final = ("", "\0", "!", "/", " x", "é")
_REPEATS: Final = frozenset({op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT})


def patterns(*packages: str) -> dict[str, tuple[re.Pattern[Any], frozenset[str]]]:
    """Return every compiled pattern of some packages, and the methods that search with it.

    Args:
        packages: Names of packages; all modules below them are imported.

    Returns:
        By ``module.name``, the pattern and the methods of the pattern that the module calls.
    """
    found: dict[str, tuple[re.Pattern[Any], frozenset[str]]] = {}
    for name in _modules(packages):
        module = importlib.import_module(name)
        tree = ast.parse(Path(module.__file__ or "").read_text())
        for attribute, value in vars(module).items():
            for one in _compiled(value):
                found[f"{name}.{attribute}: {one.pattern!r}"] = (one, _methods(tree, attribute))
        for text, method in _inline(tree):
            found[f"{name}: {text!r}"] = (re.compile(text), frozenset({method}))
    return found


def _modules(packages: tuple[str, ...]) -> Iterator[str]:
    for package in packages:
        yield package
        for one in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            # Alembic alone runs its environment.
            if not one.name.endswith(("__main__", "migrations.env")):
                yield one.name


def _compiled(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for one in value:
            yield from _compiled(one)
    elif isinstance(value, dict):
        yield from _compiled(tuple(value.values()))


def _methods(tree: ast.AST, name: str) -> frozenset[str]:
    return frozenset(
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    )


def _inline(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the patterns written in calls such as ``re.sub``, each with the name of the method."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr not in ("compile", "escape")
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node.args[0].value, node.func.attr


def texts(pattern: re.Pattern[Any], size: int) -> Iterator[Any]:
    """Yield worst cases for a pattern, each about ``size`` characters long.

    Args:
        pattern: A pattern of text or of bytes.
        size: The length of the repeated part in characters.
    """
    source = pattern.pattern
    is_bytes = isinstance(source, bytes)
    tree = parser.parse(source, pattern.flags & ~re.UNICODE if is_bytes else pattern.flags)
    seen: set[str] = set()
    for before, unit in (*_pumps(list(tree), ""), *(("", char) for char in _ALPHABET)):
        for end in _ENDS:
            text = before + unit * (size // len(unit)) + end
            if text not in seen:
                seen.add(text)
                yield text.encode("latin-1", "replace") if is_bytes else text


def _pumps(items: list[Any], before: str) -> Iterator[tuple[str, str]]:
    """Yield for each repetition the text that leads to the repetition, and the text of a round."""
    for code, argument in items:
        if code in _REPEATS:
            low, high, body = argument
            sample = _sample(list(body))
            if high >= SHORT:
                units = {sample, *(char for char in _ALPHABET if _accepts(list(body), char))}
                yield from ((before, unit) for unit in sorted(units - {""}))
            yield from _pumps(list(body), before)
            before += sample * max(low, 1)
            continue
        for below in _bodies(code, argument):
            yield from _pumps(below, before)
        before += _sample([(code, argument)])


def _bodies(code: Any, argument: Any) -> list[list[Any]]:  # noqa: ANN401 - the parser's own types
    if code is op.SUBPATTERN:
        return [list(argument[-1])]
    if code is op.ATOMIC_GROUP:
        return [list(argument)]
    if code is op.BRANCH:
        return [list(one) for one in argument[1]]
    if code in (op.ASSERT, op.ASSERT_NOT):
        return [list(argument[1])]
    return []


def _accepts(body: list[Any], char: str) -> bool:
    return (
        len(body) == 1
        and body[0][0] in (op.IN, op.ANY, op.NOT_LITERAL, op.LITERAL)
        and (_takes(body[0], char))
    )


def _takes(item: Any, char: str) -> bool:  # noqa: ANN401 - the parser's own types
    code, argument = item
    if code is op.ANY:
        return char != "\n"
    if code is op.LITERAL:
        return bool(argument == ord(char))
    if code is op.NOT_LITERAL:
        return bool(argument != ord(char))
    is_negated = argument[0][0] is op.NEGATE
    return is_negated != any(_within(one, char) for one in argument if one[0] is not op.NEGATE)


def _within(item: Any, char: str) -> bool:  # noqa: ANN401 - the parser's own types
    code, argument = item
    if code is op.LITERAL:
        return bool(argument == ord(char))
    if code is op.RANGE:
        return bool(argument[0] <= ord(char) <= argument[1])
    classes = {
        op.CATEGORY_SPACE: char.isspace(),
        op.CATEGORY_NOT_SPACE: not char.isspace(),
        op.CATEGORY_DIGIT: char.isdigit(),
        op.CATEGORY_NOT_DIGIT: not char.isdigit(),
        op.CATEGORY_WORD: char.isalnum() or char == "_",
        op.CATEGORY_NOT_WORD: not (char.isalnum() or char == "_"),
    }
    return classes[argument]


def _sample(items: list[Any]) -> str:
    """Return a short text that the parsed items of a pattern match."""
    text = ""
    for code, argument in items:
        if code is op.LITERAL:
            text += chr(argument)
        elif code in (op.IN, op.ANY, op.NOT_LITERAL):
            item = (code, argument)
            text += next((char for char in _ALPHABET if _takes(item, char)), _first(code, argument))
        elif code in _REPEATS:
            text += _sample(list(argument[2])) * argument[0]
        elif code in (op.SUBPATTERN, op.ATOMIC_GROUP, op.BRANCH):
            text += _sample(_bodies(code, argument)[0])
    return text


def _first(code: Any, argument: Any) -> str:  # noqa: ANN401 - the parser's own types
    if code is op.IN and argument[0][0] in (op.LITERAL, op.RANGE):
        first = argument[0][1]
        return chr(first if isinstance(first, int) else first[0])
    return "a"


def superlinear(
    run: Callable[[Any], object], make: Callable[[int], Iterator[Any]]
) -> tuple[str, float, float] | None:
    """Return the first text whose time grows faster than its length, with both times in seconds.

    Args:
        run: The measured call; it gets a text.
        make: Yields the texts for a length, in the same order for every length.
    """
    for short, long in zip(make(SHORT), make(LONG), strict=True):
        slow = _seconds(run, long, 1)
        if slow < _ENOUGH_S:
            continue
        fast, slow = _seconds(run, short, _TRIES), min(slow, _seconds(run, long, _TRIES))
        if slow >= _ENOUGH_S and slow > _FACTOR * fast:
            return repr(short[:60]), fast, slow
    return None


def _seconds(run: Callable[[Any], object], text: object, tries: int) -> float:
    best = float("inf")
    gc.disable()
    try:
        for _ in range(tries):
            start = time.process_time()
            run(text)
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best
