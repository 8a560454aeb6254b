"""What a store lacks: the lost bytes, split by the forms in which they may come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.catalog import content
from store.catalog.checking import losses
from store.repair.donors import Wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from store.catalog.checking.losses import EncodingPair
    from store.model.contents import Sources
    from store.model.digests import Digest

LOST: Final = frozenset({"damaged", "missing", "no-bytes"})
"""The kinds of findings that say that the bytes of a digest are lost."""


@final
@dataclass(frozen=True, slots=True)
class Needs:
    """The lost content of a store.

    Attributes:
        wanted: The content to ask donors for.
        lost: All content whose own bytes are lost.
        encodings: The recorded encodings of lost content.
        unnamed: Lost encodings that nothing lists, so that others may take their place.
        redundant: The unnamed encodings of content that is stored otherwise.
        stored_otherwise: Content whose own bytes are lost, and that a sound blob decodes to.
    """

    wanted: Wanted
    lost: frozenset[Digest] = frozenset()
    encodings: frozenset[EncodingPair] = frozenset()
    unnamed: frozenset[Digest] = frozenset()
    redundant: frozenset[Digest] = frozenset()
    stored_otherwise: frozenset[Digest] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost, and no row of lost bytes is left."""
        return not (self.wanted.every or self.redundant or self.stored_otherwise)


def find_needs(
    connection: Connection, found: Iterable[Digest], *, brought: Collection[Digest] = ()
) -> Needs:
    """Return what a store lacks.

    Args:
        connection: A read or write unit.
        found: Digests whose stored bytes a check has just found damaged or missing. Content that is
            marked as damaged is added.
        brought: Digests that count as sound, because a donor has brought them in a dry run.
    """
    lost = (set(found) | losses.marked(connection)) - set(brought)
    pairs = losses.encodings_of(connection, lost)
    decoded = {pair.decoded for pair in pairs}
    stored = {pair.stored for pair in pairs}
    sources = content.sources(connection, lost | decoded)
    sound = {digest for digest, one in sources.items() if _is_sound(one, lost)} | set(brought)
    # Nothing names such a blob, so its content may come in any encoding.
    unnamed = (lost & stored) - sound - losses.listed(connection, lost & stored)
    exact = lost - sound - unnamed - decoded
    return Needs(
        # Any blob may be a layer, and a layer may come in any encoding.
        Wanted(frozenset(exact), frozenset((decoded - sound) | (exact - stored))),
        frozenset(lost),
        frozenset(pairs),
        frozenset(unnamed),
        frozenset(
            digest
            for digest in unnamed
            if all(pair.decoded in sound for pair in pairs if pair.stored == digest)
        ),
        frozenset(lost & sound),
    )


def _is_sound(sources: Sources, lost: set[Digest]) -> bool:
    if sources.digest not in lost and (sources.inline is not None or sources.in_file):
        return True
    return any(one.digest not in lost for one in sources.encodings)
