"""What a mirror remembers of the tags of its upstream registries."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest
    from store.model.references import Reference, Repository

ABSENT_FOR: Final = timedelta(seconds=10)
"""How long an upstream registry is not asked again for what it did not have."""

MAX_ABSENT: Final = 10_000
"""The most names that are remembered as absent."""


@final
@dataclass(frozen=True, slots=True)
class SeenTag:
    """A tag that was pulled from an upstream registry.

    Attributes:
        digest: The digest that the tag got in the store.
        etag: The entity tag of the answer; empty if there was none.
        checked_at: When the upstream registry last said that the tag has this digest.
    """

    digest: Digest
    etag: str
    checked_at: datetime


@final
@dataclass(frozen=True, slots=True)
class SeenTags:
    """The tags that an upstream repository had.

    Attributes:
        tags: The tags, sorted.
        asked_at: When the registry has sent them.
    """

    tags: tuple[str, ...]
    asked_at: datetime


class ListMemory(Protocol):
    """Where lists of tags are remembered; it survives a restart. Threads call it."""

    def get(self, repository: Repository) -> SeenTags | None:
        """Return the list of a repository; None if no list is remembered."""

    def put(self, repository: Repository, seen: SeenTags) -> None:
        """Remember a list in place of the former one; an empty one is forgotten."""


class TagMemory(Protocol):
    """Where tags are remembered; it survives a restart. Threads call it."""

    def get(self, name: Reference) -> SeenTag | None:
        """Return what was seen of a tag; None for a tag that was never pulled."""

    def put(self, name: Reference, seen: SeenTag) -> None:
        """Remember a tag in place of what was remembered of it."""

    def claim(
        self, connection: Connection, name: Reference, seen: SeenTag, current: Digest | None
    ) -> bool:
        """Remember a tag in the transaction that sets it, unless something else has set it.

        Args:
            connection: The transaction.
            name: The repository and the tag.
            seen: What to remember.
            current: The digest that the tag has in the store; None if it does not exist there.

        Returns:
            Whether the tag may be set: it does not exist, or it was pulled through.
        """


@final
class Absences:
    """Names that an upstream registry did not have a moment ago, in the memory of one process.

    Args:
        now: Returns the current time.
        kept_for: How long a name is remembered.
    """

    def __init__(self, now: Callable[[], datetime], kept_for: timedelta = ABSENT_FOR) -> None:
        self._now = now
        self._kept_for = min(kept_for, ABSENT_FOR)
        self._until: OrderedDict[str, datetime] = OrderedDict()

    def add(self, name: str) -> None:
        """Remember a name."""
        self._until[name] = self._now() + self._kept_for
        self._until.move_to_end(name)
        while len(self._until) > MAX_ABSENT:
            self._until.popitem(last=False)

    def holds(self, name: str) -> bool:
        """Return whether a name is remembered."""
        until = self._until.get(name)
        if until is None:
            return False
        if until <= self._now():
            del self._until[name]
            return False
        return True
