"""The header ``WWW-Authenticate``: which ways of authentication a server accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_CHARACTERS: Final = 16 * 1024
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110, section 5.6.2
_PARAMETER: Final = re.compile(
    rf'[\s,]*+(?P<name>{_TOKEN}+)\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<bare>[^\s,"]++))'
)
_SCHEME: Final = re.compile(rf"[\s,]*+(?P<scheme>{_TOKEN}+)(?=\s|,|$)")
_ESCAPE: Final = re.compile(r"\\(.)")


@final
@dataclass(frozen=True, slots=True)
class Challenge:
    """One way of authentication.

    Args:
        scheme: The scheme in lower case: ``basic`` or ``bearer``, or one that is not supported.
        parameters: The parameters by their names in lower case.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of an answer (RFC 9110, section 11.6.1).

    A server may send several headers, or several challenges in one header.

    Args:
        values: The values of the headers. Text that is not a challenge ends a value.
    """
    found: list[Challenge] = []
    for value in values:
        position, text = 0, value[:_MAX_CHARACTERS]
        parameters: dict[str, str] | None = None
        while position < len(text):
            if parameters is not None and (match := _PARAMETER.match(text, position)):
                quoted = match["quoted"]
                parameter = match["bare"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
                parameters.setdefault(match["name"].lower(), parameter)
            elif match := _SCHEME.match(text, position):
                parameters = {}
                found.append(Challenge(match["scheme"].lower(), parameters))
            else:
                break
            position = match.end()
    return tuple(found)
