"""The manifests that the recorded names reach, with the configs, layers and files they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, final

from store.catalog import content
from store.catalog.batches import batches
from store.errors import InvalidDocument, StoreError
from store.formats.image.described_image import (
    NotAnImage,
    claims_image,
    described_image,
    parse_config,
)
from store.formats.image.manifests import Document
from store.model.limits import DEFAULT_LIMITS, MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from store.formats.image.config import ImageConfig
    from store.model.digests import Digest
    from store.rescue.recorded import Recorded

_BATCH: Final = 200
_BATCH_BYTES: Final = 8 * MIB
"""How many manifests, and how many bytes of manifests or of configs, are in memory at once."""

ReadFile: TypeAlias = "Callable[[Digest, int], bytes | None]"
"""Returns the bytes of a stored file of at most so many bytes, if they have their digest."""


@final
@dataclass(frozen=True, slots=True)
class Described:
    """A manifest or index, and what it describes.

    Attributes:
        document: The manifest or index.
        config: The config of the image that it describes; None if it describes none.
        is_config_lost: Whether it claims to describe an image whose config is not stored.
    """

    document: Document
    config: ImageConfig | None
    is_config_lost: bool


@final
@dataclass(slots=True)
class Graph:
    """What the new catalogue will hold.

    Attributes:
        alive: The manifests and indexes that stay, in the order in which they were recorded.
        loose: The manifests that no name reaches although a part of the log is missing: they are
            kept without a name.
        missing: The manifests that should stay, and whose bytes are lost.
    """

    alive: dict[Digest, None] = field(default_factory=dict)
    loose: dict[Digest, None] = field(default_factory=dict)
    missing: dict[Digest, None] = field(default_factory=dict)


def no_file(_digest: Digest, _max_bytes: int) -> bytes | None:
    """Return None: there are no files."""
    return None


_Links: TypeAlias = "tuple[tuple[Digest, ...], Digest | None]"
"""The children and the subject of a manifest or index."""


def find(connection: Connection, recorded: Recorded) -> Graph:
    """Return what the new catalogue will hold.

    Args:
        connection: An open transaction of the new catalogue, which has the documents.
        recorded: What the log says.
    """
    links: dict[Digest, _Links] = {}
    for some in _sized(connection, list(recorded.manifests)):
        for digest, data in _read(connection, some).items():
            if not _may_name_manifests(data):
                links[digest] = (), None
            elif (document := _parsed(digest, data, recorded)) is not None:
                subject = None if document.subject is None else document.subject.digest
                links[digest] = tuple(link.digest for link in document.children), subject
    reached = _reached(recorded, links)
    graph = Graph()
    for digest in recorded.manifests:
        if digest not in links:
            if digest in reached:
                graph.missing[digest] = None
            continue
        if digest in reached:
            graph.alive[digest] = None
        elif recorded.gaps or not recorded.has_log:
            graph.alive[digest] = graph.loose[digest] = None
    return graph


def _may_name_manifests(data: bytes) -> bool:
    """Return whether a document may have children or a subject.

    Parsing takes longer than everything else, and most manifests have neither. Go finds a member in
    upper and lower case, by letters outside of ASCII, and with escapes.
    """
    if not data.isascii() or b"\\" in data:
        return True
    lower = data.lower()
    return b'"subject"' in lower or b'"manifests"' in lower


def _parsed(digest: Digest, data: bytes, recorded: Recorded) -> Document | None:
    try:
        return Document.parse(
            data, digest=digest, media_type=recorded.manifests[digest], is_stored=True
        )
    except (InvalidDocument, StoreError):
        return None


def _reached(recorded: Recorded, links: Mapping[Digest, _Links]) -> set[Digest]:
    """Return the manifests that names reach, and the referrers of these."""
    referrers: dict[Digest, list[Digest]] = {}
    for digest, (_, subject) in links.items():
        if subject is not None:
            referrers.setdefault(subject, []).append(digest)
    front = [digest for digest, _ in recorded.tags.values()]
    front += [
        digest for held in recorded.held.values() for digest in held if digest in recorded.manifests
    ]
    front += recorded.kept
    reached: set[Digest] = set()
    while front:
        digest = front.pop()
        if digest in reached:
            continue
        reached.add(digest)
        front += links[digest][0] if digest in links else ()
        front += referrers.get(digest, ())
    return reached


def described(
    connection: Connection,
    recorded: Recorded,
    digests: Iterable[Digest],
    read_file: ReadFile = no_file,
) -> Iterator[list[Described]]:
    """Yield the manifests and indexes that can be read, a few at a time.

    Args:
        connection: An open transaction.
        recorded: Has the media type of each manifest.
        digests: The digests of the manifests.
        read_file: Reads configs that a client has pushed as blobs.
    """
    for some in _sized(connection, list(digests)):
        documents = {
            digest: document
            for digest, data in _read(connection, some).items()
            if (document := _parsed(digest, data, recorded)) is not None
        }
        wanted = {
            digest: document.config.digest
            for digest, document in documents.items()
            if document.config is not None and claims_image(document)
        }
        plain = [document for digest, document in documents.items() if digest not in wanted]
        if plain:
            yield [Described(document, None, is_config_lost=False) for document in plain]
        above: dict[Digest, list[Document]] = {}
        for digest, config in wanted.items():
            above.setdefault(config, []).append(documents[digest])
        for configs in _sized(connection, list(above)):
            read = _read(connection, configs)
            yield [
                one
                for config in configs
                for one in _described(above[config], config, read.get(config), read_file)
            ]


def _described(
    documents: Sequence[Document], config: Digest, data: bytes | None, read_file: ReadFile
) -> Iterator[Described]:
    """Yield the manifests that name one config, each with the image that it describes."""
    data = read_file(config, DEFAULT_LIMITS.inline_bytes) if data is None else data
    if data is None:
        yield from (Described(document, None, is_config_lost=True) for document in documents)
        return
    parsed = parse_config(data, DEFAULT_LIMITS, config)
    for document in documents:
        found = described_image(document, DEFAULT_LIMITS.inline_bytes, lambda _: parsed)
        image = None if isinstance(found, NotAnImage) else found
        yield Described(document, image, is_config_lost=False)


def _sized(connection: Connection, digests: Sequence[Digest]) -> Iterator[list[Digest]]:
    """Cut a list of digests into parts whose bytes fit into memory."""
    part: list[Digest] = []
    size = 0
    for some in batches(digests):
        rows = content.find(connection, some)
        for digest in some:
            more = (rows[digest].size_bytes or 0) if digest in rows else 0
            if part and (len(part) == _BATCH or size + more > _BATCH_BYTES):
                yield part
                part, size = [], 0
            part.append(digest)
            size += more
    if part:
        yield part


def _read(connection: Connection, digests: Sequence[Digest]) -> dict[Digest, bytes]:
    """Return the bytes of documents, in the order of ``digests``; unknown digests are left out."""
    found = content.sources(connection, digests)
    return {
        digest: data
        for digest in digests
        if digest in found and (data := found[digest].inline) is not None
    }
