"""Patterns of repository names, as in rules: name patterns of Go, completed to full names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from store.errors import InvalidInput, InvalidReference, printable
from store.formats.distribution.names import BY_ID, without_alias
from store.formats.golang.path_match import compile_pattern
from store.model.references import DEFAULT_DOMAIN, OFFICIAL

MAX_CHARACTERS: Final = 1000
"""The length of the longest pattern; no name of a repository is as long."""

_PART: Final = re.compile(r"[a-zA-Z0-9*?\[\\][a-zA-Z0-9*?\[\]\\^._:-]*")
_HINT: Final = "expected team/**, registry.example.com/app-*, or ** for all repositories"


@final
@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of repository names, as in `store.formats.golang.path_match`.

    ``*`` and ``?`` match no slash, ``[a-c]`` matches one character, and a backslash makes the next
    character literal. ``**`` matches one or more parts of the name; it has to be a whole part.
    """

    text: str
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str, default_domain: str = DEFAULT_DOMAIN) -> Pattern:
        """Parse a pattern.

        Args:
            text: The pattern as the user has written it.
            default_domain: The registry of a pattern whose first part is not a registry.

        Raises:
            InvalidInput: The pattern is invalid.
        """
        if len(text) > MAX_CHARACTERS:
            raise InvalidInput(
                f"invalid pattern {printable(text[:20])!r}...: it has {len(text)} characters, at"
                f" most {MAX_CHARACTERS} are allowed",
                hint=_HINT,
            )
        parts = without_alias(text).split("/")
        if text not in ("**", str(BY_ID)):
            _check(text, parts)
            first = parts[0]
            has_domain = len(parts) > 1 and (
                "." in first or ":" in first or first in ("localhost", "**")
            )
            if not has_domain:
                parts = [
                    default_domain,
                    *([OFFICIAL] if len(parts) == 1 and default_domain == DEFAULT_DOMAIN else []),
                    *parts,
                ]
        return cls(text, compile_pattern("/".join(parts)))

    def matches(self, name: str) -> bool:
        """Return whether the pattern matches the full name of a repository."""
        return self._regex.fullmatch(name) is not None


def _check(text: str, parts: list[str]) -> None:
    """Raise unless each part is a pattern, and could match a part of a repository's name."""
    for part in parts:
        if not _PART.fullmatch(part):
            raise InvalidInput(f"invalid pattern {printable(text)!r}", hint=_HINT)
        if "**" in part and part != "**":
            raise InvalidInput(
                f"invalid pattern {printable(text)!r}: ** has to be a whole part",
                hint="write * to match characters of one part, or /**/ to match whole parts",
            )
        try:
            # A class in brackets ends within its part.
            compile_pattern(part)
        except InvalidReference as exc:
            raise InvalidInput(
                f"invalid pattern {printable(text)!r}: in one of its parts, a bracket is not closed"
                " or nothing follows a backslash",
                hint=exc.hint,
            ) from None
    if text == "*":
        raise InvalidInput(
            "invalid pattern '*': it would match official images only",
            hint=f"write ** for all repositories, or {OFFICIAL}/* for official images",
        )
