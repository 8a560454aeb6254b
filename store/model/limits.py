"""Ceilings that keep hostile or broken input from exhausting the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from store.model.byte_sizes import GIB, MIB

__all__ = [
    "ANONYMOUS_ARCHIVES",
    "DEFAULT_LIMITS",
    "GIB",
    "MIB",
    "ArchiveLimits",
    "Limits",
    "TreeLimits",
]


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """The ceilings of an import. Each field has its unit in its name."""

    layer_bytes: int = 1024 * GIB
    """The size of one layer, decompressed."""

    layers: int = 10_000
    """The layers of one image. Docker loads at most 125, and Linux stacks at most 500."""

    members: int = 1_000_000
    """The members of one archive."""

    directories: int = 350_000
    """The folders of one archive, including folders that only the names of members imply.

    Docker wrote a folder with three files for each layer, so this is a third of the members.
    """

    name_bytes: int = 32 * MIB
    """All member names and link targets of one archive together. Each folder name counts once.

    The names are kept in memory until all documents have been read.
    """

    header_bytes: int = MIB
    """The size of one PAX or GNU extension header (Go's archive/tar has the same ceiling)."""

    sparse_extents: int = 250_000
    """The extents of all sparse members of one archive. They are kept in memory, 100 bytes each."""

    json_bytes: int = 64 * MIB
    """The size of one JSON document."""

    documents_bytes: int = 72 * MIB
    """The size of all JSON documents of one archive together.

    All documents are in memory at once, because they are compared with each other.
    """

    json_values: int = 250_000
    """The values of one JSON document, including containers. Empty ones count twice (ADR 11)."""

    json_string_bytes: int = 16 * MIB
    """The size of one string in a JSON document, with escapes as written.

    Linux passes no argument or environment variable longer than 128 KiB to a process.
    """

    json_memory_bytes: int = 72 * MIB
    """The memory that one JSON document takes for its text, its values and its strings."""

    json_depth: int = 10_000
    """The nesting of one JSON document (Go's encoding/json has the same ceiling)."""

    graph_depth: int = 32
    """The levels of nested indexes, the manifest at the bottom included."""

    graph_nodes: int = 100_000
    """The manifests and indexes that one push, import, save or archive request reaches."""

    manifest_entries: int = 10_000
    """The entries of one list in a manifest or index: manifests, layers or blobs."""

    labels: int = 10_000
    """The labels of one config, or the annotations of one manifest or index.

    Each of them is a row in the database. Real documents have fewer than a hundred.
    """

    labels_in_archive: int = 500_000
    """The labels and annotations of all documents of one archive; each document counts once."""

    inline_bytes: int = 8 * MIB
    """The largest document that is kept in the database. A larger document is kept as a blob."""

    name_parts: int = 20_000_000
    """The parts of the names of all members of one archive; each is looked up, in 0.4 microseconds.

    A folder counts once in `name_bytes`, but again in each name that leads through it.
    """

    links: int = 255
    """The symbolic links that are followed while one path is resolved."""

    link_parts: int = 4_000_000
    """The parts of all link targets that are followed while the paths of one archive are resolved.

    A link is followed again for every member below it. Each part takes about half a microsecond.
    """

    layers_in_archive: int = 64
    """An archive, decompressed and with the holes of sparse members, may be as large as this many
    layers of `layer_bytes`.
    """

    trailing_bytes: int = 16 * GIB
    """The bytes that a stream may carry after the end of the archive.

    They are read, so that the writer of a pipe can finish; an endless writer never finishes. In a
    file, another archive is looked for behind as many zeros.
    """

    ratio: int = 1_000
    """The bytes that one byte of compressed data may decode to, once `free_bytes` are decoded.

    Zeros that gzip compressed have a ratio of 1,030, in bzip2 more than 800,000. A real layer has
    less than 20.
    """

    free_bytes: int = 64 * MIB
    """The decoded bytes from which `ratio` counts: small images of zeros are harmless."""

    @property
    def archive_bytes(self) -> int:
        """The size of one archive, decompressed and with the holes of sparse members."""
        return self.layer_bytes * self.layers_in_archive


DEFAULT_LIMITS: Final = Limits()


@final
@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """The ceilings of one archive that a client of the mirror asks for.

    Planning an archive takes about a millisecond of processor time for each image, and every byte
    of its documents is in memory. A save on the command line has no such ceilings.
    """

    images: int = 1_000
    """The images, and the manifests and indexes that the names of the request mean."""

    names: int = 10_000
    """The tags, digests and image IDs that the request means; a repository means all its tags."""

    layers: int = 130_000
    """The layers of all images together: as many as 1,000 images of Docker can have."""

    manifests: int = 10_000
    """The manifests and indexes that the archive's names lead to."""

    document_bytes: int = 72 * MIB
    """The size of all manifests, indexes and configs: as much as an import reads."""


ANONYMOUS_ARCHIVES: Final = ArchiveLimits(
    images=100, names=1_000, layers=13_000, manifests=1_000, document_bytes=16 * MIB
)
"""The ceilings for clients that are not logged in, where users exist."""


@final
@dataclass(frozen=True, slots=True)
class TreeLimits:
    """The ceilings for the files of a registry's storage."""

    repositories: int = 200_000
    """The repositories of one storage."""

    repository_parts: int = 64
    """The parts of the name of a repository. A name has at most 255 characters."""

    entries: int = 1_000_000
    """The entries of one folder: tags, manifests or layers of one repository."""

    link_bytes: int = 200
    """The size of a link file, which holds one digest: 71 bytes, or 135 for sha512."""

    manifest_bytes: int = 4 * MIB
    """The size of one manifest, as registries limit it."""

    findings: int = 100_000
    """The findings that are kept; further findings are counted."""
