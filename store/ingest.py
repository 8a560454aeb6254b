"""An archive's way in: one pass over its bytes, then one write unit that makes all of it appear, or nothing.

From a file the member index and the JSON are read first, and layers that are already here are never read. From a pipe layers come before the JSON that names
them: every member is a candidate, staged with both digests and claimed or dropped when the manifest has arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, final

import zstandard

from store.archives import docker, legacy_v1
from store.archives.tar import MemberKind, TarReader
from store.archives.tree import Tree
from store.codecs import Codec
from store.encoder import FRAME_BYTES
from store.errors import DigestMismatch, InvalidArchive, MissingLayers, MissingMember, StoreError, TooLarge, printable
from store.limits import MIB
from store.staging import StagedLayer, too_large
from store.values import DiffID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from store.archives.claims import ArchiveClaim
    from store.archives.source import ByteSource
    from store.archives.tar import Member
    from store.limits import Limits
    from store.model import Progress
    from store.staging import Stager

SMALL_BYTES: Final = 64 * 1024
"""A member of a stream up to this size is kept in memory, as long as all of them together stay below `BUFFER_BYTES`."""

BUFFER_BYTES: Final = 16 * MIB


@final
@dataclass(slots=True)
class Intake:
    """What came of reading an archive: its claim, and the layers that were read for it, by diff ID."""

    claim: ArchiveClaim
    layers: dict[DiffID, StagedLayer]
    read_bytes: int = 0


class Members(Protocol):
    """The files of an archive, however they are reached."""

    tree: Tree

    def document(self, path: str) -> bytes:
        """The bytes of a small file. Raises MissingMember, UnsafePath, InvalidArchive, TooLarge."""

    def layer(self, path: str) -> StagedLayer:
        """The layer at a path, staged; the same path (or a link to it) is staged once."""


def take_in(
    source: ByteSource, *, seekable: bool, stager: Stager, limits: Limits, known: Callable[[Iterable[DiffID]], AbstractSet[DiffID]], progress: Progress
) -> Intake:
    """Read an archive and stage what the store does not have.

    ``known`` says which of some diffs the store has, and sees to it that they stay until the operation ends.

    Raises the branches of InvalidInput; the operation's folder is then to be thrown away.
    """
    members: Members = _FileMembers(source, stager, limits, progress) if seekable else _StreamMembers(source, stager, limits, progress)
    if members.tree.exists(docker.MANIFEST):
        claim = docker.claim(members.document, limits)
        layers = _claimed_layers(claim, members, known)
    else:
        claim, layers = _legacy(members, limits)
    return Intake(claim, layers)


def _claimed_layers(claim: ArchiveClaim, members: Members, known: Callable[[Iterable[DiffID]], AbstractSet[DiffID]]) -> dict[DiffID, StagedLayer]:
    here = known({diff for image in claim.images for diff in image.config.diff_ids})
    staged: dict[DiffID, StagedLayer] = {}
    absent: set[DiffID] = set()
    for image in claim.images:
        for position, (diff, path) in enumerate(zip(image.config.diff_ids, image.layers, strict=True)):
            # What the store has is neither opened nor checked, as in Docker; nor is a diff that another image of the archive already brought.
            if diff in here or diff in staged:
                continue
            try:
                layer = members.layer(path or "")
            except MissingMember:
                absent.add(diff)
                continue
            if layer.diff.digest != diff.digest:
                raise DigestMismatch(
                    f"invalid diffID for layer {position} of {printable(docker.display_name(image))} (member {printable(path or '')!r})",
                    want=diff,
                    got=layer.diff.digest,
                    hint="the layer's bytes are not the ones the image was made of: the archive is damaged, or was put together wrongly",
                )
            staged[diff] = layer
            absent.discard(diff)
    if absent:
        raise MissingLayers(docker.missing(claim.images, lambda diff: diff in staged or diff in here))
    return staged


def _legacy(members: Members, limits: Limits) -> tuple[ArchiveClaim, dict[DiffID, StagedLayer]]:
    ordered = legacy_v1.directories(members.tree.top_level_directories(), members.document, limits)
    staged: dict[DiffID, StagedLayer] = {}
    diffs: dict[str, DiffID] = {}
    for step in ordered:
        layer = members.layer(step.layer)
        diffs[step.name] = DiffID(layer.diff.digest)
        staged[diffs[step.name]] = layer
    return legacy_v1.claim(ordered, diffs, members.document, limits), staged


@final
class _FileMembers:
    """Members of a file: an index of offsets, read where needed."""

    def __init__(self, source: ByteSource, stager: Stager, limits: Limits, progress: Progress) -> None:
        self._source = source
        self._stager = stager
        self._limits = limits
        self._progress = progress
        self._staged: dict[int, StagedLayer] = {}
        self.tree = Tree(limits)
        self._reader = TarReader(source, limits, seekable=True)
        for member in self._reader:
            self.tree.add(member, None)

    def document(self, path: str) -> bytes:
        """See `Members`."""
        member = self.tree.resolve(path).member
        if member.size > self._limits.json_bytes:
            raise _json_too_large(member.name, self._limits)
        return b"".join(self._reader.reread(member, FRAME_BYTES))

    def layer(self, path: str) -> StagedLayer:
        """See `Members`."""
        member = self.tree.resolve(path).member
        found = self._staged.get(member.offset)
        if found is None:
            if member.size > self._limits.layer_bytes:
                raise too_large(member.name, self._limits)
            key = str(member.offset)
            self._progress.start(key, _label(path), member.size)
            found = self._stager.layer(self._reader.reread(member, FRAME_BYTES), member.name, lambda size: self._progress.advance(key, size))
            self._progress.finish(key)
            self._staged[member.offset] = found
        return _sound(found)


@final
@dataclass(slots=True)
class _Candidate:
    """A member of a stream that may turn out to be anything: in memory, staged, or found to be no layer (``problem``)."""

    data: bytes | None = None
    staged: StagedLayer | None = None
    problem: StoreError | None = None


@final
class _StreamMembers:
    """Members of a stream: read once, in the order they come."""

    def __init__(self, source: ByteSource, stager: Stager, limits: Limits, progress: Progress) -> None:
        self._stager = stager
        self._limits = limits
        self._progress = progress
        self._room = BUFFER_BYTES
        self.tree = Tree(limits)
        reader = TarReader(source, limits, seekable=False)
        for member in reader:
            self.tree.add(member, self._candidate(reader, member) if member.kind is MemberKind.FILE else None)

    def _candidate(self, reader: TarReader, member: Member) -> _Candidate:
        if member.size > self._limits.layer_bytes:
            # Of a sparse member a few hundred bytes say so.
            return _Candidate(problem=too_large(member.name, self._limits))
        if member.size <= min(SMALL_BYTES, self._room):
            self._room -= member.size
            return _Candidate(data=reader.read_all(SMALL_BYTES))
        key = str(member.offset)
        self._progress.start(key, _label(member.name), member.size)
        pieces = _Shared(reader.chunks(FRAME_BYTES))
        try:
            return _Candidate(staged=self._stager.layer(iter(pieces), member.name, lambda size: self._progress.advance(key, size)))
        except InvalidArchive as exc:
            if pieces.failed:
                raise
            # Not a layer, then; whether that matters is decided when the manifest is known. The rest of the member passes unread.
            return _Candidate(problem=exc)
        except TooLarge as exc:
            return _Candidate(problem=exc)
        finally:
            self._progress.finish(key)

    def document(self, path: str) -> bytes:
        """See `Members`."""
        leaf = self.tree.resolve(path)
        if leaf.member.size > self._limits.json_bytes:
            raise _json_too_large(leaf.member.name, self._limits)
        candidate = _as_candidate(leaf.payload)
        if candidate.data is not None:
            return candidate.data
        if candidate.staged is None:
            raise candidate.problem or InvalidArchive("not a JSON document", member=leaf.member.name)
        return _read_back(candidate.staged)

    def layer(self, path: str) -> StagedLayer:
        """See `Members`."""
        leaf = self.tree.resolve(path)
        candidate = _as_candidate(leaf.payload)
        if candidate.problem is not None:
            raise candidate.problem
        if candidate.staged is None:
            data = candidate.data or b""
            candidate.staged = self._stager.layer(iter((data,) if data else ()), leaf.member.name, lambda _size: None)
        return _sound(candidate.staged)


@final
@dataclass(slots=True)
class _Shared:
    """Passes pieces on and remembers whether it was the archive itself that failed, not the layer in it."""

    pieces: Iterator[bytes]
    failed: bool = field(default=False)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.pieces
        except StoreError:
            self.failed = True
            raise


def _as_candidate(payload: object) -> _Candidate:
    assert isinstance(payload, _Candidate)  # noqa: S101 - resolve() answers with files, and every file of a stream has one
    return payload


def _sound(staged: StagedLayer) -> StagedLayer:
    if staged.problem is not None:
        raise staged.problem
    return staged


def _read_back(staged: StagedLayer) -> bytes:
    with staged.path.open("rb") as file:
        if staged.codec is not Codec.ZSTD:
            return file.read()
        with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as decoded:
            return decoded.read()


def _json_too_large(name: str, limits: Limits) -> TooLarge:
    return TooLarge(f"member {printable(name)!r} is larger than the {limits.json_bytes} bytes a JSON document may have", limit=limits.json_bytes)


def _label(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    name = parts[-2] if len(parts) > 1 and parts[-1] == "layer.tar" else parts[-1] if parts else path
    return printable(name)[:12]
