"""What repositories may serve and where bytes are stored, looked up for many names at once.

A save may name hundreds of repositories. One statement for each of them costs more than the bytes
of small images. So the answers of one transaction are kept here, and are asked for in advance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.catalog import content, repositories

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.references import Repository


@final
class Holdings:
    """The answers of one read transaction about repositories and stored bytes.

    Args:
        connection: The read transaction.

    Attributes:
        connection: The read transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._types: dict[tuple[Repository, Digest], str | None] = {}
        self._asked: set[tuple[Repository, Digest]] = set()
        self._sources: dict[Digest, Sources] = {}
        self._sought: set[Digest] = set()

    def look_up(self, wanted: Iterable[tuple[Collection[Repository], Iterable[Digest]]]) -> None:
        """Ask in advance for what `held` and `media_types` will be asked.

        Args:
            wanted: Repositories, each group with the digests to look up in all of its repositories.
        """
        pairs = {
            (name, digest) for names, digests in wanted for digest in digests for name in names
        } - self._asked
        if pairs:
            self._types |= repositories.served(self.connection, pairs)
            self._asked |= pairs

    def held(self, names: Collection[Repository], digests: Iterable[Digest]) -> set[Digest]:
        """Return the digests that one of several repositories may serve, in whatever state.

        Args:
            names: The full names of the repositories.
            digests: The digests to look up.
        """
        wanted = set(digests)
        self.look_up([(names, wanted)])
        return {one for one in wanted if any((name, one) in self._types for name in names)}

    def media_types(
        self, names: Collection[Repository], digests: Iterable[Digest]
    ) -> dict[Digest, str]:
        """Return the media type of each manifest or index that one of several repositories serves.

        Args:
            names: The full names of the repositories. If they differ in the media type of a
                manifest that does not state one, the smallest type is returned.
            digests: The digests to look up.
        """
        wanted = list(dict.fromkeys(digests))
        self.look_up([(names, wanted)])
        found: dict[Digest, str] = {}
        for digest in wanted:
            types = [
                type_ for name in names if (type_ := self._types.get((name, digest))) is not None
            ]
            if types:
                found[digest] = min(types)
        return found

    def sources(self, digests: Iterable[Digest]) -> dict[Digest, Sources]:
        """Return where the bytes of each digest are stored; digests without a row are left out."""
        wanted = list(dict.fromkeys(digests))
        fresh = [digest for digest in wanted if digest not in self._sought]
        if fresh:
            self._sources |= content.sources(self.connection, fresh)
            self._sought.update(fresh)
        return {one: self._sources[one] for one in wanted if one in self._sources}
