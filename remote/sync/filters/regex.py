r"""Regular expressions as Go reads them (RE2), matched in time linear in the length of a text.

Python's own expressions try every way to match, which takes exponential time for some of them. Here
a pattern becomes an automaton that is in several states at once, and each character of a text is
read once. The sets of states are remembered, so most characters cost one look-up.

Supported are literals, ``.``, classes, ``\d \w \s`` and their opposites, groups, ``|``, ``* + ?``
and ``{m,n}`` with their lazy forms, ``^ $ \A \z``, and ``(?i)`` at the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

MAX_CHARACTERS: Final = 1000
"""The length of the longest pattern."""

MAX_STATES: Final = 5000
"""The most states of a pattern; ``{m,n}`` repeats the states of what it repeats."""

_MAX_COUNT: Final = 1000
_MAX_GROUPS: Final = 50
_MAX_REMEMBERED: Final = 20_000

_DIGITS: Final = frozenset("0123456789")
_WORD: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_SPACE: Final = frozenset("\t\n\f\r ")
_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROLS: Final = {"t": "\t", "n": "\n", "f": "\f", "r": "\r", "v": "\v", "a": "\a"}
_SPECIAL: Final = "\\.+*?()|[]{}^$"

_Set: TypeAlias = "frozenset[int]"


@final
@dataclass(frozen=True, slots=True)
class _Chars:
    """The characters that a state takes: those of a set, or all others."""

    chars: frozenset[str]
    is_negated: bool = False

    def takes(self, char: str) -> bool:
        return (char in self.chars) != self.is_negated


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an automaton: its first state, and the states whose exit is still open."""

    start: int
    ends: tuple[int, ...]


@final
@dataclass(slots=True)
class _State:
    """A state: it takes a character, or goes on without one.

    Attributes:
        chars: The characters that it takes; None if it takes none.
        anchor: ``^`` or ``$`` if it needs the beginning or the end of the text, else empty.
        exits: The states after it.
    """

    chars: _Chars | None = None
    anchor: str = ""
    exits: list[int] = field(default_factory=list)


@final
class Regex:
    """A compiled pattern.

    Args:
        pattern: The pattern.

    Raises:
        ValueError: The pattern is not valid, or uses what RE2 or this module does not support.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_CHARACTERS:
            raise ValueError(f"the pattern has more than {MAX_CHARACTERS} characters")
        self.pattern = pattern
        parser = _Parser(pattern)
        self._states, start, self._accepting = parser.parsed()
        self._is_folded = parser.is_folded
        self._begin = self._closure([start], at_start=True)
        self._restart = self._closure([start], at_start=False)
        self._next: dict[tuple[_Set, str], _Set] = {}

    def search(self, text: str) -> bool:
        """Return whether any part of a text matches."""
        return self._run(text, is_anchored=False)

    def fullmatch(self, text: str) -> bool:
        """Return whether the whole text matches."""
        return self._run(text, is_anchored=True)

    def _run(self, text: str, *, is_anchored: bool) -> bool:
        current = self._begin
        for char in text.lower() if self._is_folded else text:
            if not is_anchored and self._accepting in current:
                return True
            key = (current, char)
            found = self._next.get(key)
            if found is None:
                found = self._step(current, char)
                if len(self._next) >= _MAX_REMEMBERED:
                    self._next.clear()
                self._next[key] = found
            current = found if is_anchored else found | self._restart
        return self._accepting in self._closure(current, at_end=True, at_start=not text)

    def _step(self, current: _Set, char: str) -> _Set:
        reached = [
            after
            for number in current
            if (state := self._states[number]).chars is not None and state.chars.takes(char)
            for after in state.exits
        ]
        return self._closure(reached)

    def _closure(
        self, numbers: _Set | list[int], *, at_start: bool = False, at_end: bool = False
    ) -> _Set:
        """Return the states that can be reached without a character."""
        found: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number in found:
                continue
            found.add(number)
            state = self._states[number]
            is_open = {"": True, "^": at_start, "$": at_end}[state.anchor]
            if state.chars is None and is_open:
                waiting += state.exits
        return frozenset(found)


@final
class _Parser:
    """A parser of one pattern, which builds its automaton."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0
        self._states: list[_State] = []
        self.is_folded = pattern.startswith("(?i)")
        if self.is_folded:
            self._at = len("(?i)")

    def parsed(self) -> tuple[list[_State], int, int]:
        """Return the states, the first one and the accepting one."""
        whole = self._alternatives()
        if self._at < len(self._text):
            raise ValueError("unexpected )")
        accepting = self._state()
        self._connect(whole, accepting)
        return self._states, whole.start, accepting

    # --- states -----------------------------------------------------------------------------------

    def _state(self, chars: _Chars | None = None, anchor: str = "", *exits: int) -> int:
        if len(self._states) >= MAX_STATES:
            raise ValueError("the pattern is too large: it repeats too much")
        self._states.append(_State(chars, anchor, list(exits)))
        return len(self._states) - 1

    def _connect(self, part: _Part, state: int) -> None:
        for end in part.ends:
            self._states[end].exits.append(state)

    def _empty(self) -> _Part:
        state = self._state()
        return _Part(state, (state,))

    # --- grammar ----------------------------------------------------------------------------------

    def _alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0]
        split = self._state(None, "", *(part.start for part in parts))
        return _Part(split, tuple(end for part in parts for end in part.ends))

    def _sequence(self) -> _Part:
        whole: _Part | None = None
        while (char := self._peek()) and char not in "|)":
            part = self._repeated()
            if whole is None:
                whole = part
            else:
                self._connect(whole, part.start)
                whole = _Part(whole.start, part.ends)
        return whole or self._empty()

    def _repeated(self) -> _Part:
        begin = self._at
        part = self._atom()
        end = self._at
        is_repeated = False
        while bounds := self._bounds():
            if is_repeated:
                raise ValueError("a repetition is repeated")
            is_repeated = True
            if self._peek() == "?":
                # Lazy forms match the same texts.
                self._at += 1
            after = self._at
            part = self._times(part, *bounds, begin, end)
            self._at = after
        return part

    def _bounds(self) -> tuple[int, int | None] | None:
        char = self._peek()
        if char and char in "*+?":
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        if char != "{":
            return None
        body, closed, _ = self._text[self._at + 1 :].partition("}")
        least, comma, most = body.partition(",")
        if not closed or not _is_count(least) or not (most == "" or _is_count(most)):
            return None
        self._at += len(body) + 2
        low = int(least)
        high = low if not comma else (int(most) if most else None)
        if low > _MAX_COUNT or (high is not None and not low <= high <= _MAX_COUNT):
            raise ValueError(f"invalid repetition {{{body}}}")
        return low, high

    def _times(self, first: _Part, low: int, high: int | None, begin: int, end: int) -> _Part:
        """Return a part repeated; each repetition has states of its own, from another parse."""

        def again() -> _Part:
            self._at = begin
            part = self._atom()
            assert self._at == end  # noqa: S101 - the same text gives the same part
            return part

        parts = [first, *(again() for _ in range(1, max(low, 1 if high is None else high)))]
        if high == 0:
            return self._empty()
        ends: tuple[int, ...] = ()
        if high is None:
            last = parts[-1]
            loop = self._state(None, "", last.start)
            self._connect(last, loop)
            ends = (loop,)
            if low == 0:
                return _Part(loop, ends)
        start = parts[0].start
        skips: list[int] = []
        for number, part in enumerate(parts):
            entry = part.start
            if high is not None and number >= low:
                entry = self._state(None, "", part.start)
                skips.append(entry)
            if number == 0:
                start = entry
            else:
                self._connect(parts[number - 1], entry)
        if high is not None:
            ends = (*parts[-1].ends, *skips)
        return _Part(start, ends)

    def _atom(self) -> _Part:
        char = self._text[self._at]
        self._at += 1
        if char == "(":
            return self._group()
        if char in "*+?":
            raise ValueError(f"{char} repeats nothing")
        if char in "^$":
            state = self._state(None, char)
        elif char == ".":
            state = self._state(_Chars(frozenset("\n"), is_negated=True))
        elif char == "[":
            state = self._state(self._class())
        elif char == "\\":
            escaped = self._escape()
            state = self._state(None, escaped) if isinstance(escaped, str) else self._state(escaped)
        else:
            state = self._state(self._chars(char))
        return _Part(state, (state,))

    def _group(self) -> _Part:
        rest = self._text[self._at :]
        if rest.startswith("?:"):
            self._at += 2
        elif rest.startswith(("?P<", "?<")) and not rest.startswith(("?<=", "?<!")):
            name, closed, _ = rest.partition(">")
            if not closed:
                raise ValueError("missing > after the name of a group")
            self._at += len(name) + 1
        elif rest.startswith("?"):
            raise ValueError(f"(?{rest[1:2]} is not supported")
        self._depth += 1
        if self._depth > _MAX_GROUPS:
            raise ValueError(f"groups are nested more than {_MAX_GROUPS} deep")
        part = self._alternatives()
        if self._peek() != ")":
            raise ValueError("missing )")
        self._at += 1
        self._depth -= 1
        return part

    def _escape(self) -> _Chars | str:
        """Return the characters that an escape means, or the anchor."""
        char = self._peek()
        self._at += 1
        if not char:
            raise ValueError("a backslash ends the pattern")
        if char in "Az":
            return "^" if char == "A" else "$"
        if char.lower() in _CLASSES:
            return _Chars(_CLASSES[char.lower()], is_negated=char.isupper())
        if char in _CONTROLS:
            return _Chars(frozenset(_CONTROLS[char]))
        if char.isascii() and char.isalnum():
            raise ValueError(f"\\{char} is not supported")
        return self._chars(char)

    def _class(self) -> _Chars:
        is_negated = self._peek() == "^"
        if is_negated:
            self._at += 1
        found: set[str] = set()
        is_first = True
        while (char := self._peek()) != "]" or is_first:
            if not char:
                raise ValueError("missing ]")
            is_first = False
            low = self._member(found)
            if low is None or not self._range_follows():
                found |= self._chars(low).chars if low is not None else set()
                continue
            self._at += 1
            high = self._member(found)
            if high is None or ord(high) < ord(low) or ord(high) - ord(low) > _MAX_COUNT:
                raise ValueError("invalid range in a class")
            for code in range(ord(low), ord(high) + 1):
                found |= self._chars(chr(code)).chars
        self._at += 1
        return _Chars(frozenset(found), is_negated=is_negated)

    def _range_follows(self) -> bool:
        """Return whether a hyphen follows that is not the last character of the class."""
        return self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in {"", "]"}

    def _member(self, found: set[str]) -> str | None:
        """Return the next character of a class; None if it was a class of its own."""
        char = self._peek()
        if not char:
            raise ValueError("missing ]")
        if self._text.startswith("[:", self._at):
            raise ValueError("[: :] is not supported")
        self._at += 1
        if char != "\\":
            return char
        escaped = self._escape()
        if isinstance(escaped, str) or escaped.is_negated:
            raise ValueError("an escape that is not a character in a class")
        if len(escaped.chars) == 1:
            return next(iter(escaped.chars))
        found |= escaped.chars
        return None

    def _chars(self, char: str) -> _Chars:
        return _Chars(frozenset(char.lower() if self.is_folded else char))

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_COUNT))
