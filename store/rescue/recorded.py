"""What the document log says: documents, and the names as they were last recorded."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final

from store.documents import records
from store.documents.blocks import Gap, Mark, frames
from store.documents.folder import DOCUMENTS, LOG, set_aside_at
from store.errors import InvalidDigest, InvalidReference
from store.files.creation import NO_FOLLOW, open_folder
from store.files.os_errors import translated
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, MIB
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from store.db.changes import Value

_BATCH_BYTES: Final = 4 * MIB
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


@final
@dataclass(slots=True)
class Recorded:
    """The state of names at the end of the log, and what is known of documents.

    Attributes:
        manifests: The media type of each manifest and index that was ever recorded.
        tags: The manifest of each tag, and when the tag was set.
        held: The manifests and foreign layers that each repository serves, by full name, with the
            media type if that is not the common one.
        kept: When each manifest without a name lost its last name.
        parents: The parent of each image that has one.
        sources: Addresses of layers: image, layer, descriptor.
        documents: The number of different documents.
        until: When the last unit was recorded; None if no whole unit was found.
        gaps: Damaged places before the end.
        gap_bytes: Their size.
        bad_documents: Documents whose bytes do not have their digest.
        has_log: Whether there is a log.
    """

    manifests: dict[Digest, str] = field(default_factory=dict)
    tags: dict[Reference, tuple[Digest, datetime]] = field(default_factory=dict)
    held: dict[str, dict[Digest, str | None]] = field(default_factory=dict)
    kept: dict[Digest, datetime] = field(default_factory=dict)
    parents: dict[Digest, Digest] = field(default_factory=dict)
    sources: dict[tuple[Digest, Digest, str], None] = field(default_factory=dict)
    documents: set[Digest] = field(default_factory=set)
    until: datetime | None = None
    gaps: int = 0
    gap_bytes: int = 0
    bad_documents: int = 0
    has_log: bool = False


def read(root: Path, put: Callable[[Mapping[Digest, bytes]], None]) -> Recorded:
    """Read the document log of a store, and the logs that were set aside.

    A log that was set aside belongs to a catalogue that was replaced. Its documents are as good as
    any, because they have their digests. Its names count only if no later log has any.

    Args:
        root: The store's folder.
        put: Called with batches of documents that have their digests.

    Raises:
        Unavailable: A log exists and cannot be read.
    """
    reader = _Reader(put)
    with translated(root / DOCUMENTS):
        try:
            with open_folder(root, DOCUMENTS) as folder:
                names = os.listdir(folder)  # noqa: PTH208 - a descriptor
                older = sorted(name for name in names if set_aside_at(name) is not None)
                for name in [*older, *([LOG] if LOG in names else [])]:
                    flags = os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW
                    descriptor = os.open(name, flags, dir_fd=folder)
                    try:
                        reader.read(descriptor)
                    finally:
                        os.close(descriptor)
        except FileNotFoundError:
            return reader.found
    return reader.found


@final
class _Reader:
    def __init__(self, put: Callable[[Mapping[Digest, bytes]], None]) -> None:
        self.found = Recorded()
        self._put = put
        self._batch: dict[Digest, bytes] = {}
        self._batch_bytes = 0
        # The same digest or repository is named many times, and is in memory once.
        self._known: dict[str, Digest] = {}
        self._repositories: dict[str, Repository] = {}
        self._tags: dict[str, str] = {}

    def read(self, descriptor: int) -> None:
        """Read a log; it replaces the names of the logs before, if it has a whole unit."""
        before = self.found
        self.found = replace(
            before, tags={}, held={}, kept={}, until=None, gaps=0, gap_bytes=0, bad_documents=0
        )
        self.found.has_log = True
        size = os.fstat(descriptor).st_size
        for frame in frames(descriptor, size):
            if isinstance(frame, Mark):
                self.found.until = datetime.fromtimestamp(
                    min(max(frame.time_us, 0), 10**17) / 1_000_000 % 10**11, UTC
                )
            elif isinstance(frame, Gap):
                if not frame.at_end:
                    self.found.gaps += 1
                    self.found.gap_bytes += frame.size_bytes
            else:
                for kind, values in records.decode(frame):
                    self._note(kind, values)
        self._flush()
        if self.found.until is None and before.until is not None:
            # The facts are in the same dictionaries.
            self.found = before
            if size:
                before.gaps, before.gap_bytes = before.gaps + 1, before.gap_bytes + size

    def _note(self, kind: str, values: tuple[Value, ...]) -> None:
        try:
            if kind == records.DOCUMENT:
                self._document(*values)
            else:
                getattr(self, f"_{kind}")(*values)
        except (InvalidDigest, InvalidReference, ValueError, TypeError):
            # The checksum is right, so another program has written this.
            self.found.gaps += 1

    def _digest(self, text: Value) -> Digest:
        found = self._known.get(str(text))
        if found is None:
            found = self._known[str(text)] = Digest.parse(str(text))
        return found

    def _repository(self, text: Value) -> Repository:
        """Return a repository; the text is its full name, as the catalogue writes it."""
        found = self._repositories.get(str(text))
        if found is None:
            found = Reference.parse(str(text)).repository
            if str(found) != text:
                raise ValueError(text)
            self._repositories[str(text)] = found
        return found

    def _reference(self, repository: Value, tag: Value) -> Reference:
        known, text = self._repository(repository), str(tag)
        if text not in self._tags:
            if Reference.parse(f"{known}:{text}").tag != tag:
                raise ValueError(text)
            self._tags[text] = text
        return Reference(known, self._tags[text])

    def _document(self, digest: Value, data: Value) -> None:
        wanted = self._digest(digest)
        if wanted in self.found.documents:
            return
        if (
            not isinstance(data, bytes)
            or len(data) > DEFAULT_LIMITS.inline_bytes
            or Digest.of(data, wanted.algorithm) != wanted
        ):
            self.found.bad_documents += 1
            return
        self.found.documents.add(wanted)
        self._batch[wanted] = data
        self._batch_bytes += len(data)
        if self._batch_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._put(self._batch)
        self._batch, self._batch_bytes = {}, 0

    def _manifest(self, digest: Value, media_type: Value) -> None:
        self.found.manifests[self._digest(digest)] = str(media_type)

    def _tag(self, repository: Value, tag: Value, digest: Value, at: Value) -> None:
        name = self._reference(repository, tag)
        if digest is None:
            self.found.tags.pop(name, None)
        else:
            self.found.tags[name] = (self._digest(digest), _time(at))

    def _held(self, repository: Value, digest: Value, media_type: Value) -> None:
        name = str(self._repository(repository))
        stated = None if media_type is None else str(media_type)
        self.found.held.setdefault(name, {})[self._digest(digest)] = stated

    def _released(self, repository: Value, digest: Value) -> None:
        self.found.held.get(str(repository), {}).pop(self._digest(digest), None)

    def _kept(self, digest: Value, at: Value) -> None:
        self.found.kept[self._digest(digest)] = _time(at)

    def _dropped(self, digest: Value) -> None:
        self.found.kept.pop(self._digest(digest), None)

    def _parent(self, child: Value, parent: Value) -> None:
        if parent is None:
            self.found.parents.pop(self._digest(child), None)
        else:
            self.found.parents[self._digest(child)] = self._digest(parent)

    def _source(self, image: Value, layer: Value, descriptor: Value) -> None:
        self.found.sources[self._digest(image), self._digest(layer), str(descriptor)] = None


def _time(text: Value) -> datetime:
    return datetime.strptime(str(text), _TIME).replace(tzinfo=UTC)
