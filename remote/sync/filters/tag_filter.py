"""The choice of tags from the list of a repository: by name, by version, by number and by age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, final

from remote.sync.filters.versions import Version
from store.formats.golang.path_match import compile_pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping

    from remote.sync.filters.regex import Regex
    from remote.sync.filters.versions import VersionRange


@final
@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns of names in which ``*`` stands for any characters.

    Args:
        patterns: The compiled patterns.
    """

    patterns: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Globs:
        """Compile patterns.

        Raises:
            InvalidReference: A pattern is not valid.
        """
        return cls(tuple(compile_pattern(text) for text in texts))

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def match(self, name: str) -> bool:
        """Return whether one of the patterns matches a whole name."""
        return any(pattern.fullmatch(name) for pattern in self.patterns)


class Order(StrEnum):
    """What makes an image newer than another."""

    VERSION = "version"
    """The semantic version of its tag; tags that are not versions are left out."""

    CREATED = "created"
    """The time at which its config says that it was created."""


@final
@dataclass(frozen=True, slots=True)
class TagFilter:
    """The tags of a repository to take.

    Attributes:
        include: Patterns of names; empty for all.
        exclude: Patterns of names that are left out.
        regexes: Expressions of which one must be found in the name; empty for all.
        whole_regexes: Expressions of which one must match the whole name; empty for all.
        denied_regexes: Expressions; names that match one as a whole are left out.
        versions: Ranges, in one of which the version of the name must lie; empty for all.
        newest: How many of the newest to take; None for all.
        order: What makes an image newer.
        younger_than: The greatest age of an image; None for any.
    """

    include: Globs = Globs()
    exclude: Globs = Globs()
    regexes: tuple[Regex, ...] = ()
    whole_regexes: tuple[Regex, ...] = ()
    denied_regexes: tuple[Regex, ...] = ()
    versions: tuple[VersionRange, ...] = ()
    newest: int | None = None
    order: Order = Order.VERSION
    younger_than: timedelta | None = None

    @property
    def needs_times(self) -> bool:
        """Whether the choice depends on when images were created."""
        return self.younger_than is not None or (
            self.newest is not None and self.order is Order.CREATED
        )

    def by_name(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Return the tags that may be taken as far as their names tell, in their order.

        Args:
            tags: The tags of the repository; a tag that is listed twice is one tag.
        """
        found = [tag for tag in dict.fromkeys(tags) if self._has(tag)]
        if self.newest is None or self.needs_times:
            return tuple(found)
        versions = {tag: version for tag in found if (version := Version.parse(tag)) is not None}
        # Of equal versions, the tag with more numbers is the more exact name.
        best = sorted(versions, key=lambda tag: (versions[tag], versions[tag].parts, tag))
        kept = set(best[-self.newest :])
        return tuple(tag for tag in found if tag in kept)

    def by_time(self, created: Mapping[str, datetime | None], now: datetime) -> tuple[str, ...]:
        """Return the tags to take, when their times are known, in their order.

        Args:
            created: When the image of each tag was created; None for an image that does not say.
                Such an image counts as the oldest.
            now: The time to which ages refer.
        """
        found = [
            tag
            for tag, time in created.items()
            if self.younger_than is None or (time is not None and now - time <= self.younger_than)
        ]
        if self.newest is None:
            return tuple(found)
        if self.order is Order.CREATED:
            never = datetime.min.replace(tzinfo=now.tzinfo)
            ranked = sorted(found, key=lambda tag: (created[tag] or never, tag))
        else:
            versions = {tag: one for tag in found if (one := Version.parse(tag)) is not None}
            ranked = sorted(versions, key=lambda tag: (versions[tag], versions[tag].parts, tag))
        kept = set(ranked[-self.newest :])
        return tuple(tag for tag in found if tag in kept)

    def _has(self, tag: str) -> bool:
        if (self.include and not self.include.match(tag)) or self.exclude.match(tag):
            return False
        if self.regexes and not any(one.search(tag) for one in self.regexes):
            return False
        if self.whole_regexes and not any(one.fullmatch(tag) for one in self.whole_regexes):
            return False
        if any(one.fullmatch(tag) for one in self.denied_regexes):
            return False
        if not self.versions:
            return True
        version = Version.parse(tag)
        return version is not None and any(one.has(version) for one in self.versions)
