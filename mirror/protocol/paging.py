"""A client reads a list page by page: the parameters ``n`` and ``last`` select a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from mirror.protocol.errors import WireError
from store.formats.distribution.errors import ErrorCode
from store.formats.distribution.paging import LAST_PARAMETER, LIMIT_PARAMETER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_PAGE: Final = 1000
"""The largest number of entries on a page; also the number if a request has no ``n``."""

MAX_COMPLETE: Final = 100_000
"""The largest number of entries of a list without pages; the list has a link to the next page."""

MAX_COMPLETE_BYTES: Final = 4 * 1024 * 1024
"""The limit of the entries of a list without pages, in bytes."""

_MAX_DIGITS: Final = 18


@final
@dataclass(frozen=True, slots=True)
class Page:
    """The page of a list that a request asks for.

    Args:
        limit: The largest number of entries on the page.
        after: The entry after which the page begins; empty for the beginning of the list.
    """

    limit: int
    after: str

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Read the parameters ``n`` and ``last``.

        Args:
            query: The parameters of a request.

        Raises:
            WireError: ``n`` is not a decimal number, or has more than 18 digits.
        """
        text, after = query.get(LIMIT_PARAMETER, ""), query.get(LAST_PARAMETER, "")
        if text == "":
            return cls(MAX_PAGE, after)
        if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
            raise WireError(
                400,
                ErrorCode.PAGINATION_NUMBER_INVALID,
                f"invalid parameter {LIMIT_PARAMETER}: expected a number, got {text[:40]!r}",
            )
        return cls(min(int(text), MAX_PAGE), after)

    @property
    def fetch_limit(self) -> int:
        """The number of entries to read: one more than ``limit``, or 0 if ``limit`` is 0.

        The additional entry shows whether another page follows.
        """
        return self.limit + 1 if self.limit else 0

    def cut(self, entries: Sequence[str]) -> tuple[list[str], str | None]:
        """Return the entries of the page, without the additional entry.

        Args:
            entries: The entries after ``after``, at most `fetch_limit` entries.

        Returns:
            The entries of the page; and the last of these entries if another page follows, else
            None.
        """
        page = list(entries[: self.limit])
        return page, page[-1] if page and len(entries) > self.limit else None


def cut_complete(entries: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the beginning of a list without pages, as much as one answer may have.

    Args:
        entries: The entries, at most one more than `MAX_COMPLETE`.

    Returns:
        The entries of the answer; and the last of these entries if the list continues, else None.
    """
    size_bytes = 0
    for number, entry in enumerate(entries):
        # Quotes and a comma.
        size_bytes += len(entry) + 3
        if number and (size_bytes > MAX_COMPLETE_BYTES or number >= MAX_COMPLETE):
            return list(entries[:number]), entries[number - 1]
    return list(entries), None
