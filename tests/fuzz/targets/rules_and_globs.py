"""Files of rules, their patterns, and the patterns that filter names.

A pattern matches exactly what a slow but plain search says, and in linear time. A file of rules is
read, or refused with a message.

The first byte chooses what the rest is: a file of rules, a pattern of rules, or a glob of Go. In a
pattern, a line break separates the pattern and the name. The next two bytes choose a piece of the
name that is repeated thousands of times.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from mirror.access.pattern import Pattern
from mirror.access.rules import Action, read_rules
from store.errors import InvalidInput, InvalidReference
from store.formats.golang.path_match import compile_pattern, literal_start
from store.model.references import Repository
from tests.support.pumping import pumped, quickly

MAX_BYTES: Final = 400
_HEAD_BYTES: Final = 3
_KINDS: Final = 3
_LONGEST: Final = 24
"""The longest pattern and name, in characters, that the plain search compares."""

_FILE: Final = b"""[groups]
builders = ["bob"]
[tokens]
ci = "sha256:%s"
[certificates]
"builder.example" = "bob"
[[rule]]
repositories = ["team/**", "**/app-*"]
who = ["@builders", "@users", "alice"]
allow = ["read", "write"]
""" % (b"ab" * 32)

SEEDS: Final = (
    b"\0\0\0" + _FILE,
    b'\0\0\0[[rule]]\nrepositories=["**"]\nwho=["@all"]\nallow=["read"]\n',
    b'\0\0\0[groups]\nall=["x"]\n',
    b"\1\0\1team/**\nteam/a/b",
    b"\1\x0e\1**/*a*b\ndocker.io/x/aab",
    b"\1\x0c\1**/*a*a*c\ndocker.io/x/aab",
    b"\1\x0e\2x.example/*a/**/b\nx.example/aa/c/b",
    b"\1\0\1*-*\nlibrary/a-b",
    b"\1\0\1team/v?\nteam/v1",
    b"\1\0\1**/[^a-c]?*\nx.example/db",
    b"\2\0\1*a?[b-d]\\*\nxxabd*",
    b"\2\0\2a*b*c\nabbc",
    b"\2\1\1[^a-c]*/x\n/yy/x",
    b"\2\0\1**/a?*/**/c\nx/ab/c/c",
)
TOKENS: Final = (
    b"**",
    b"**/",
    b"/*",
    b"*a",
    b"[^",
    b"[a-z]",
    b"\\",
    b"[[rule]]\n",
    b"repositories = [",
    b'who = ["@',
    b'allow = ["delete"]',
    b"docker.io/",
)


def check(data: bytes) -> None:
    """Read a file of rules, or match a pattern in two ways."""
    kind, start, length = data[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")
    text = data[_HEAD_BYTES:].decode("utf-8", "replace")
    if kind % _KINDS == 0:
        _rules(text)
        return
    pattern, _, name = text.partition("\n")
    long = pumped(name, start, length % 16)
    if kind % _KINDS == 1:
        _rule_pattern(pattern, name, long)
    else:
        _glob(pattern, name, long)


def _rules(text: str) -> None:
    try:
        rules = quickly(read_rules, text)
    except InvalidInput as exc:
        assert exc.message.isprintable()
        return
    repository = Repository("docker.io", "team/app")
    for user in (None, "bob", "@builders"):
        for action in Action:
            if rules.allow_everywhere(user, action):
                assert rules.allow(user, action, repository)
            if rules.allow(user, action, repository):
                assert rules.allow_somewhere(user, action)
    # A name that looks like a group has no more rights than nobody.
    for action in Action:
        assert rules.allow("@builders", action, repository) == rules.allow(None, action, repository)


def _rule_pattern(text: str, name: str, long: str) -> None:
    try:
        pattern = quickly(Pattern.parse, text)
    except InvalidInput as exc:
        assert exc.message.isprintable()
        return
    quickly(pattern.matches, long)
    full = Pattern.parse(text, "d.example")
    if text == "**":
        assert pattern.matches(name) == (name != "")
    elif (
        len(text) <= _LONGEST
        and len(name) <= _LONGEST
        and "/" in text
        and _is_plain(name)
        # The plain search knows no classes, and no aliases of registries.
        and not set(text) & set("[\\_")
    ):
        parts = tuple(text.split("/"))
        first = parts[0]
        if "." not in first and ":" not in first and first not in ("localhost", "**"):
            if parts[0] == "_":
                return
            parts = ("d.example", *parts)
        assert full.matches(name) == _parts_match(parts, tuple(name.split("/")))


def _is_plain(name: str) -> bool:
    """Return whether ``name`` could be the name of a repository: others never reach a pattern."""
    return all(name.split("/"))


def _parts_match(pattern: tuple[str, ...], name: tuple[str, ...]) -> bool:
    @cache
    def match(at: int, part: int) -> bool:
        if at == len(pattern):
            return part == len(name)
        if pattern[at] == "**":
            return any(match(at + 1, end) for end in range(part + 1, len(name) + 1))
        return part < len(name) and _go_match(pattern[at], name[part]) and match(at + 1, part + 1)

    return match(0, 0)


def _glob(text: str, name: str, long: str) -> None:
    try:
        pattern = quickly(compile_pattern, text)
    except InvalidReference as exc:
        assert exc.message.isprintable()
        return
    quickly(pattern.fullmatch, long)
    if pattern.fullmatch(name):
        assert name.startswith(literal_start(text))
    if len(text) <= _LONGEST and len(name) <= _LONGEST and not set(text) & set("[\\"):
        parts = tuple(text.split("/"))
        if "**" not in parts:
            assert bool(pattern.fullmatch(name)) == _go_match(text, name)
        elif _is_plain(name):
            assert bool(pattern.fullmatch(name)) == _parts_match(parts, tuple(name.split("/")))


def _go_match(pattern: str, text: str) -> bool:
    """Return the result of Go's ``path.Match`` for a pattern without classes and backslashes.

    Go takes the first place where the text between two stars fits, and tries no other place. For
    a pattern without classes this finds a match if there is one.
    """

    @cache
    def match(at: int, end: int) -> bool:
        if at == len(pattern):
            return end == len(text)
        if pattern[at] == "*":
            ends = range(end, len(text) + 1)
            return any(match(at + 1, stop) for stop in ends if "/" not in text[end:stop])
        if end == len(text):
            return False
        fits = text[end] != "/" if pattern[at] == "?" else pattern[at] == text[end]
        return fits and match(at + 1, end + 1)

    return match(0, 0)
