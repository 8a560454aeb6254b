"""Fakes for tests: an archive's members in memory, and the digests that a store holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from store.errors import MissingMember, UnsafePath
from store.formats.image.layout_names import blob_algorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from store.importing.staging import Staged, Stager
    from store.model.digests import DiffID, Digest


@dataclass
class MemoryMembers:
    """An archive's files by path, with a record of the paths resolved, staged and prefetched."""

    files: Mapping[str, bytes]
    stager: Stager | None = None
    resolved: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    prefetched: list[str] = field(default_factory=list)

    def exists(self, path: str) -> bool:
        self.resolved.append(path)
        if path.startswith("../"):
            raise UnsafePath("the path leaves the archive", member=path)
        return path in self.files

    def size(self, path: str) -> int:
        return len(self.document(path))

    def head(self, path: str) -> bytes | None:
        return self.document(path)[:16]

    def document(self, path: str) -> bytes:
        if path not in self.files:
            raise MissingMember("no such member", member=path)
        return self.files[path]

    def prefetch(self, paths: Iterable[str]) -> None:
        self.prefetched += paths

    def layer(self, path: str) -> Staged:
        data = self.document(path)
        self.staged.append(path)
        assert self.stager is not None
        algorithm, named = blob_algorithm(path)
        return self.stager.layer(
            iter((data,)), path, lambda _size: None, algorithm=algorithm, keep_original=named
        )

    def blob(self, path: str) -> Staged:
        data = self.document(path)
        self.staged.append(path)
        assert self.stager is not None
        return self.stager.blob(
            iter((data,)), path, lambda _size: None, algorithm=blob_algorithm(path)[0]
        )

    def top_level_directories(self) -> tuple[str, ...]:
        return tuple(sorted({path.split("/")[0] for path in self.files if "/" in path}))

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        start = f"{folder}/" if folder else ""
        below = [path.removeprefix(start) for path in self.files if path.startswith(start)]
        return tuple(sorted({path.split("/")[0] + "/" * ("/" in path) for path in below if path}))

    def find_all(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.files if path.split("/")[-1] == name))


@dataclass
class ChosenHoldings:
    """A store's content as a test chooses it: digests, and pairs of a blob and its decoded diff."""

    held: set[Digest] = field(default_factory=set)
    decoded: set[tuple[Digest, DiffID]] = field(default_factory=set)
    documents: dict[Digest, bytes] = field(default_factory=dict)

    def diffs(self, wanted: Iterable[DiffID]) -> set[DiffID]:
        return {diff for diff in wanted if diff.digest in self.held}

    def blobs(self, wanted: Iterable[Digest]) -> set[Digest]:
        return self.held.intersection(wanted)

    def layers(self, wanted: Iterable[tuple[Digest, DiffID]]) -> set[tuple[Digest, DiffID]]:
        return self.decoded.intersection(wanted)

    def document(self, digest: Digest) -> bytes | None:
        return self.documents.get(digest)
