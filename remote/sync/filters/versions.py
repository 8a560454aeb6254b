"""Semantic versions of tags, and ranges of them as Masterminds/semver reads them (skopeo, helm)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import total_ordering
from typing import Final, final

MAX_CHARACTERS: Final = 500
"""The length of the longest range."""

_NUMBER: Final = r"(0|[1-9][0-9]{0,17})"
_IDENTIFIERS: Final = r"([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)"
_VERSION: Final = re.compile(
    rf"[vV]?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?(?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?"
)
_PARTIAL: Final = re.compile(
    r"[vV]?([0-9]{1,18}|[xX*])(?:\.([0-9]{1,18}|[xX*]))?(?:\.([0-9]{1,18}|[xX*]))?"
    rf"(?:-{_IDENTIFIERS})?(?:\+{_IDENTIFIERS})?"
)
_COMPARISON: Final = re.compile(r"(==?|!=|>=|=>|<=|=<|>|<|~>|~|\^)? *([^ ,<>=!~^|]+)")


@final
@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A semantic version; ``v1.2`` means 1.2.0. Build metadata does not count.

    Attributes:
        numbers: Major, minor and patch.
        before: The identifiers of a pre-release; empty for a release.
        parts: How many numbers were written.
    """

    numbers: tuple[int, int, int]
    before: tuple[str, ...] = ()
    parts: int = 3

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Return the version that a tag means; None if it is not a version."""
        found = _VERSION.fullmatch(text)
        if found is None:
            return None
        written = [one for one in found.group(1, 2, 3) if one is not None]
        major, minor, patch = (*map(int, written), 0, 0)[:3]
        before = tuple(found[4].split(".")) if found[4] else ()
        return cls((major, minor, patch), before, len(written))

    def _key(self) -> tuple[object, ...]:
        # A release comes after its pre-releases; numbers come before names.
        order = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in self.before)
        return self.numbers, not self.before, order

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@final
@dataclass(frozen=True, slots=True)
class _Bound:
    """One comparison: the version is at least ``low`` and below ``high``.

    Attributes:
        low: The first version; None for no limit.
        high: The version after the last one; None for no limit.
        has_high: Whether ``high`` itself counts as well.
        skips_low: Whether ``low`` itself does not count.
        is_negated: Whether all other versions are meant.
        is_before: Whether a pre-release was written, so that pre-releases count.
    """

    low: Version | None = None
    high: Version | None = None
    has_high: bool = False
    skips_low: bool = False
    is_negated: bool = False
    is_before: bool = False

    def has(self, version: Version) -> bool:
        if version.before and not self.is_before:
            return False
        inside = (
            self.low is None or (version > self.low if self.skips_low else version >= self.low)
        ) and (
            self.high is None or (version <= self.high if self.has_high else version < self.high)
        )
        return inside != self.is_negated


@final
@dataclass(frozen=True, slots=True)
class VersionRange:
    """A range of versions: ``>=1.2 <2``, ``^1.4 || ~2.0``, ``1.2 - 1.9``, ``3.x``.

    Pre-releases count only in comparisons that name a pre-release.
    """

    text: str
    _choices: tuple[tuple[_Bound, ...], ...]

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Parse a range.

        Raises:
            ValueError: The text is not a range of versions.
        """
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"the range has more than {MAX_CHARACTERS} characters")
        return cls(text, tuple(_all_of(one.strip(), text) for one in text.split("||")))

    def has(self, version: Version) -> bool:
        """Return whether a version lies in the range."""
        return any(all(bound.has(version) for bound in bounds) for bounds in self._choices)


def _all_of(text: str, whole: str) -> tuple[_Bound, ...]:
    low, hyphen, high = text.partition(" - ")
    if hyphen:
        return _bound(">=", low.strip(), whole), _bound("<=", high.strip(), whole)
    bounds = []
    at = 0
    while at < len(text):
        if text[at] in " ,":
            at += 1
            continue
        found = _COMPARISON.match(text, at)
        if found is None:
            raise _wrong(whole)
        bounds.append(_bound(found[1] or "=", found[2], whole))
        at = found.end()
    if not bounds:
        raise _wrong(whole)
    return tuple(bounds)


def _bound(operator: str, text: str, whole: str) -> _Bound:
    found = _PARTIAL.fullmatch(text)
    if found is None:
        raise _wrong(whole)
    numbers: list[int] = []
    for one in found.group(1, 2, 3):
        if one is None or not one.isdigit():
            break
        numbers.append(int(one))
    before = tuple(found[4].split(".")) if found[4] else ()
    if before and len(numbers) < 3:  # noqa: PLR2004 - major, minor and patch
        raise _wrong(whole)
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    low = Version((major, minor, patch), before)
    return _of_operator(operator, low, numbers, is_before=bool(before))


def _of_operator(operator: str, low: Version, numbers: list[int], *, is_before: bool) -> _Bound:
    """Return the bound of an operator; the numbers that were not written mean any."""
    is_exact = len(numbers) == 3  # noqa: PLR2004 - major, minor and patch
    after = None if is_exact else _after(numbers)
    bounds = {
        # More than 1.2 means at least 1.3, and nothing is more than any version.
        ">": _Bound(low, skips_low=True) if is_exact else _Bound(after, is_negated=not numbers),
        ">=": _Bound(low),
        "<": _Bound(high=low),
        "<=": _Bound(high=low, has_high=True) if is_exact else _Bound(high=after),
        "^": _Bound(low, _caret(numbers)),
        "~": _Bound(low, _after(numbers[:2])),
    }
    names = {"=>": ">=", "=<": "<=", "~>": "~"}
    found = bounds.get(names.get(operator, operator))
    if found is None:
        found = _Bound(
            low, low if is_exact else after, has_high=is_exact, is_negated=operator == "!="
        )
    return replace(found, is_before=is_before)


def _after(numbers: list[int]) -> Version | None:
    """Return the first version that does not begin with some numbers; None if all do."""
    if not numbers:
        return None
    raised = [*numbers[:-1], numbers[-1] + 1, 0, 0]
    return Version((raised[0], raised[1], raised[2]))


def _caret(numbers: list[int]) -> Version | None:
    """Return the first version that changes the leftmost number that is not zero."""
    for position, one in enumerate(numbers):
        if one:
            return _after(numbers[: position + 1])
    return _after(numbers)


def _wrong(text: str) -> ValueError:
    return ValueError(
        f"invalid range of versions {text[:80]!r}: expected such as '>=1.2 <2', '^1.4' or '3.x'"
    )
