"""Paging of lists over HTTP: the parameters ``n`` and ``last``, and the header ``Link``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_PARAMETER: Final = "n"
LAST_PARAMETER: Final = "last"

_LINK: Final = re.compile(r'<(?P<target>[^<>\s]*+)>(?P<parameters>(?:\s*+;[^;,"]++(?:"[^"]*+")?)*)')
_RELATION: Final = re.compile(
    r';\s*+rel\s*+=\s*+(?:(?P<word>\w++)|"(?P<words>[^"]*+)")', re.IGNORECASE
)
_NEXT: Final = "next"


def next_link(path: str, parameters: Mapping[str, str]) -> str:
    """Return the value of ``Link`` that leads to the next page (RFC 8288).

    Args:
        path: The path of the list, without percent-encoding.
        parameters: The query of the next page, without percent-encoding.
    """
    return f'<{quote(path)}?{urlencode(parameters)}>; rel="next"'


def next_target(link: str) -> str | None:
    """Return the target of the ``next`` link in a ``Link`` header (RFC 8288).

    Args:
        link: The value of the header: one or more links, separated by commas.

    Returns:
        The target as the server wrote it, relative or absolute; None if there is no ``next`` link.
    """
    for match in _LINK.finditer(link):
        for relation in _RELATION.finditer(match["parameters"]):
            if _NEXT in (relation["word"] or relation["words"] or "").lower().split():
                return match["target"]
    return None
