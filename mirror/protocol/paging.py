"""Lists that come in pages: ``n``, ``last`` and the ``Link`` to the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final
from urllib.parse import quote, urlencode

from mirror.protocol.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PAGE: Final = 1000
"""Entries in one page, when a client asks for more or does not say."""


@final
@dataclass(frozen=True, slots=True)
class Page:
    """What a client asks for: at most ``limit`` entries behind ``after``."""

    limit: int
    after: str

    @classmethod
    def asked(cls, query: Mapping[str, str]) -> Self:
        """Read ``n`` and ``last``. Raises WireError."""
        text = query.get("n")
        if text is None or text == "":
            return cls(MAX_PAGE, query.get("last", ""))
        if not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - more digits than any number of entries has
            raise WireError(
                400, "PAGINATION_NUMBER_INVALID", f"n is {text[:40]!r}, not a number of entries"
            )
        return cls(min(int(text), MAX_PAGE), query.get("last", ""))

    def cut(self, entries: list[str]) -> tuple[list[str], str | None]:
        """One page of ``entries`` (asked for with `fetch`), and the last of it when there are more."""
        page = entries[: self.limit]
        return page, page[-1] if page and len(entries) > self.limit else None

    @property
    def fetch(self) -> int:
        """How many entries to ask the store for: one more, to see whether there are any."""
        return self.limit + 1 if self.limit else 0


def next_link(path: str, parameters: Mapping[str, str]) -> str:
    """The value of ``Link`` that leads to the next page (RFC 8288)."""
    return f'<{quote(path)}?{urlencode(parameters)}>; rel="next"'
