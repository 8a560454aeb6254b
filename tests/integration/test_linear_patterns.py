"""No outside text makes a regular expression backtrack: matching takes time linear in length."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mirror.access.pattern import Pattern
from mirror.protocol.ranges import parse_range
from remote.sync.filters.regex import Regex
from store.formats.distribution.paging import next_target
from store.formats.golang.path_match import compile_pattern
from tests.support.imports import PACKAGES
from tests.support.worst_cases import SHORT, patterns, superlinear, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXEMPT = ("storectl.output.units._GO_PART",)
"""A pattern for checked durations: only the user of the command writes them."""

ROOT = Path(__file__).parents[2]
SOURCES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
ALL = patterns(*PACKAGES)
FOUND = {name: found for name, found in ALL.items() if not name.startswith(_EXEMPT)}

BUILT = frozenset(
    {
        "store.formats.golang.json_scanner",
        "store.formats.golang.path_match",
    }
)
"""Modules that build patterns from text.

The scanner's patterns are constants, which the sweep finds. Tests below drive the other patterns.
"""

_IMPORTS_RE = re.compile(r"^import re$", re.MULTILINE)
_SEARCHES = frozenset({"finditer", "findall", "search", "split", "sub"})

GLOBS = (
    "*a" * 12 + "b",
    "*a*" * 12 + "b",
    "a*" * 20 + "/b",
    "*-*-*-*-*-*-*-*",
    "**/a?/**/[^x]*a/**/*b",
    "?*" * 12 + "b",
    "*[^x]*[^x]*[^x]*b",
)

RULES = (
    "*a" * 12 + "b",
    "**/" + "*a" * 12 + "b",
    "**/a/**/a/**/a/**/a/**/a/**/b",
    "**/*a/**/*a/**/*a/**/*a*b",
    "x.example/*a*a*a/**/**/**/*b",
    "**/[^x]*[a-c]*?*[^x]*b/**/*?b",
    "?*" * 12 + "b",
)


def _run(pattern: re.Pattern[Any], method: str) -> Any:  # noqa: ANN401 - a method of the pattern
    if method == "finditer":
        return lambda text: list(pattern.finditer(text))
    if method == "sub":
        return lambda text: pattern.sub(text[:0], text)
    return getattr(pattern, method)


@pytest.mark.parametrize("name", FOUND)
def test_patterns_take_linear_time(name: str) -> None:
    pattern, used = FOUND[name]
    for method in ("fullmatch", "match", *sorted(used & _SEARCHES)):
        slow = superlinear(_run(pattern, method), lambda size: texts(pattern, size))
        assert slow is None, (method, slow)


def test_the_patterns_of_every_room_were_found() -> None:
    rooms = {name.rpartition(".")[0] for name in FOUND}
    for room in (
        "mirror.protocol.ranges",
        "mirror.api.routes",
        "store.formats.golang.json_scanner",
        "remote.auth.challenges",
        "remote.sync.filters.versions",
    ):
        assert any(one.startswith(room) for one in rooms), room
    users = {
        path.relative_to(ROOT).parts[0] for path in SOURCES if _IMPORTS_RE.search(path.read_text())
    }
    assert users == {name.partition(".")[0] for name in ALL}


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call that makes a pattern, with the name of the called function."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr != "escape"
        ):
            yield f"{node.func.value.id}.{node.func.attr}", node


def _of_constants(tree: ast.Module, module: str) -> set[ast.AST]:
    """Return the calls in the values of the module's constants that the sweep has found."""
    found = {name.partition(":")[0] for name in ALL}
    return {
        call
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and f"{module}.{target.id}" in found
        for call in ast.walk(node.value)
    }


def test_no_pattern_escapes_the_sweep() -> None:
    """A pattern in a function, a class or another place is either found or listed here."""
    known = {pattern.pattern for pattern, _ in ALL.values()}
    missed = []
    for path in sorted(SOURCES):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        constants = _of_constants(tree, name)
        for function, call in _calls(tree):
            written = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
            if written not in known and call not in constants and name not in BUILT:
                missed.append(f"{name}:{call.lineno}: {function}")
    assert missed == []


def test_patterns_are_made_by_functions_of_the_module_re() -> None:
    """Other ways to make a pattern would escape the sweep."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("re", "glob", "fnmatch"), path
            elif isinstance(node, ast.Import):
                names = {one.name: one.asname for one in node.names}
                assert names.get("re") is None, path
                assert not names.keys() & {"regex", "glob", "fnmatch"}, path


@pytest.mark.parametrize(
    "expression",
    [
        r"bytes\s*=\s*(?:([0-9]{1,18})\s*-\s*([0-9]{1,18})?|-\s*([0-9]{1,18}))\s*",
        r"a*a*c",
        rb"x[^/]*-[^/]*y",
    ],
)
def test_a_pattern_that_backtracks_is_found(expression: str | bytes) -> None:
    pattern: re.Pattern[Any] = re.compile(expression)
    assert superlinear(pattern.fullmatch, lambda size: texts(pattern, size)) is not None


def _names(size: int) -> list[str]:
    """Return names of one component and names of many components that almost match the globs."""
    return [
        unit * (size // len(unit)) + end
        for unit in ("a", "a/", "aa/", "-", "x.example/a/", "ab")
        for end in ("", "c", "/c", "\0")
    ]


@pytest.mark.parametrize("glob", GLOBS)
def test_globs_take_linear_time(glob: str) -> None:
    compiled = compile_pattern(glob)
    assert superlinear(compiled.fullmatch, lambda size: iter(_names(size))) is None


@pytest.mark.parametrize("text", RULES)
def test_the_globs_of_rules_take_linear_time(text: str) -> None:
    pattern = Pattern.parse(text)
    starts = ("", "docker.io/", "docker.io/library/", "x.example/")

    def make(size: int) -> Any:  # noqa: ANN401 - an iterator of texts
        return (before + one for before in starts for one in _names(size))

    assert superlinear(pattern.matches, make) is None


@pytest.mark.parametrize(
    "header",
    ["bytes=0-{}x", "bytes{}", "bytes={}", "bytes=-{}x", "bytes=0{}-{}1", "{}bytes=0-1{}x"],
)
def test_ranges_with_many_spaces_take_linear_time(header: str) -> None:
    def make(size: int) -> Any:  # noqa: ANN401 - an iterator of texts
        return iter([header.replace("{}", one * size) for one in (" ", "\t", " \t")])

    assert superlinear(lambda text: parse_range(text, 10), make) is None


@pytest.mark.parametrize("expression", ["(a*)*c", "(a|a)*c", "(a?){20}a{20}", "^(.*a){8}$"])
def test_the_expressions_of_syncs_take_linear_time(expression: str) -> None:
    compiled = Regex(expression)
    assert superlinear(compiled.search, lambda size: iter(["a" * size, "ab" * (size // 2)])) is None


def test_links_take_linear_time() -> None:
    def make(size: int) -> Any:  # noqa: ANN401 - an iterator of texts
        units = ("<", "<>;", "; ", " next", ';rel="', ";rel=", '; rel=" next', '<a>; x="" ', ",<")
        return iter(
            [
                start + unit * (size // len(unit))
                for unit in units
                for start in ("", "<a>;", '<a>;rel="')
            ]
        )

    assert superlinear(next_target, make) is None
    assert next_target("<a>" + ";x=1" * SHORT + ";rel=next") == "a"
