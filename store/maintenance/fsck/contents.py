"""A check of stored bytes: their digests, and what they decode to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final

from store.catalog import content
from store.catalog.checking import raw_rows
from store.content.examination import Condition
from store.db.types import ContentKey
from store.errors import FalseEncoding, IntegrityError, InvalidInput, StoreError, Unavailable
from store.maintenance.fsck.decoding import (
    Encoded,
    decode_small,
    encoded,
    has_frames,
    wrong_row,
)
from store.maintenance.fsck.verdicts import parsed
from store.maintenance.fsck.workers import Workers
from store.model.contents import ContentState, Sources
from store.model.limits import MIB
from store.workspace import damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from store.catalog.checking.raw_rows import Range
    from store.content.examination import Examination
    from store.content.reader import Reader
    from store.maintenance.fsck.verdicts import Check, Verdict
    from store.model.digests import Digest

_SMALL_BYTES: Final = MIB
"""The largest blob that is read at once, without a thread of its own."""

_SMALL_DECODED_BYTES: Final = 4 * MIB

_DAMAGED: Final = ContentState.DAMAGED.value


@final
@dataclass(frozen=True, slots=True)
class _Blob:
    """A blob as the catalogue describes it.

    Attributes:
        key: Its row number.
        digest: Its digest.
        size_bytes: Its size.
        is_marked: Whether it is marked as damaged.
        encodings: What it decodes to.
        is_odd: Whether a row about it makes no sense.
    """

    key: ContentKey
    digest: Digest
    size_bytes: int
    is_marked: bool
    encodings: tuple[Encoded, ...]
    is_odd: bool

    @property
    def is_small(self) -> bool:
        return self.size_bytes <= _SMALL_BYTES and all(
            one.size_bytes <= _SMALL_DECODED_BYTES for one in self.encodings
        )


@final
class Contents:
    """The check of all stored bytes.

    Each blob is read once if it is sound. Whatever looks wrong is looked up again, and read again,
    before it is reported: other processes may write during the check.

    Args:
        check: The check that this is a step of.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._workspace = check.workspace
        self._memory = check.workspace.decoding.memory

    def run(self) -> Iterator[Verdict]:
        """Yield the findings about documents in the catalogue, then those about files."""
        self._check.progress.total(self._stored_bytes())
        yield from self._documents()
        yield from self._blobs()

    def _stored_bytes(self) -> int | None:
        try:
            with self._workspace.raw() as connection:
                return raw_rows.stored_bytes(connection)[1]
        except IntegrityError:
            return None

    # --- documents --------------------------------------------------------------------------------

    def _documents(self) -> Iterator[Verdict]:
        for rows in self._check.walk("document", raw_rows.documents):
            size = sum(len(row.data) for row in rows if isinstance(row.data, bytes))
            self._start("documents", "documents", size)
            self._check.checked.add("Documents", len(rows), size)
            sound = []
            for row in rows:
                digest = parsed(row.digest)
                if digest is None:
                    continue
                if not isinstance(row.data, bytes) or not _has_digest(row.data, digest):
                    yield from self._suspect(digest)
                elif row.size_bytes != len(row.data):
                    yield self._wrong_size(digest, len(row.data), row.size_bytes)
                elif row.state == _DAMAGED:
                    yield self._sound_after_all(digest)
                else:
                    sound.append(ContentKey(row.id))
            self._check.on_sound(sound)
            self._finish("documents", size)
        yield from self._check.malformed()

    # --- files ------------------------------------------------------------------------------------

    def _blobs(self) -> Iterator[Verdict]:
        with self._workspace.reader() as reader, self._workers(reader) as workers:
            for blobs in self._check.walk("blob", _read_blobs):
                sound = []
                small = sum(blob.size_bytes for blob in blobs if blob.is_small)
                self._start("blobs", "small blobs", small)
                for blob in blobs:
                    self._check.checked.add("Blobs", 1, blob.size_bytes)
                    for one in blob.encodings:
                        self._check.checked.add("Encodings", 1, one.size_bytes)
                    if blob.is_small:
                        is_sound = self._is_small_sound(blob)
                        sound += [blob.key] if is_sound else []
                        yield from self._judge(blob, reader, is_sound=is_sound)
                        continue
                    self._start(str(blob.digest), blob.digest.short, blob.size_bytes)
                    for done, is_sound in workers.submit(blob):
                        sound += [done.key] if is_sound else []
                        yield from self._judge(done, reader, is_sound=is_sound)
                self._check.on_sound(sound)
                self._finish("blobs", small)
            for done, is_sound in workers.drain():
                self._check.on_sound([done.key] if is_sound else [])
                yield from self._judge(done, reader, is_sound=is_sound)
        yield from self._check.malformed()

    def _workers(self, reader: Reader) -> Workers[_Blob, bool]:
        return Workers(lambda blob: self._is_sound(blob, reader))

    def _judge(self, blob: _Blob, reader: Reader, *, is_sound: bool) -> Iterator[Verdict]:
        if not blob.is_small:
            self._check.progress.finish(str(blob.digest))
        if blob.is_marked or blob.is_odd or not is_sound:
            found = list(self._suspect(blob.digest))
            yield from found
            if blob.digest in self._check.unsound or any(one.sound is None for one in found):
                # What is wrong with the blob would be found once more.
                return
            for one in blob.encodings:
                yield from self._suspect_encoding(one, reader)

    def _is_small_sound(self, blob: _Blob) -> bool:
        """Read a small blob, and decode it in memory; return whether everything is right."""
        if not all(one.stored.is_proven for one in blob.encodings):
            return False
        blobs = self._workspace.blobs
        try:
            opened = blobs.open(blobs.location(blob.digest))
            if opened is None:
                return False
            with opened:
                data = opened.read(blob.size_bytes + 1)
            if len(data) != blob.size_bytes or not _has_digest(data, blob.digest):
                return False
            found = [decode_small(data, one, self._memory) for one in blob.encodings]
        except (Unavailable, MemoryError):
            return False
        return all(one.is_right and one.has_frames for one in found)

    def _is_sound(self, blob: _Blob, reader: Reader) -> bool:
        """Read a large blob, and decode it; return whether everything is right. For threads."""
        if not all(one.stored.is_proven for one in blob.encodings):
            return False
        blobs = self._workspace.blobs
        try:
            if blobs.size(blobs.location(blob.digest)) != blob.size_bytes:
                return False
            if not blob.encodings:
                return self._is_file_sound(blob)
            for position, one in enumerate(blob.encodings):
                if not has_frames(blobs, one, self._memory):
                    return False
                # This hashes the stored bytes as well as the decoded bytes.
                done = 0
                for piece in reader.chunks(_foreign(one)):
                    before, done = done, done + len(piece)
                    if not position:
                        self._advance_to(blob, before, done, one.size_bytes)
        except (StoreError, MemoryError):
            return False
        return True

    def _is_file_sound(self, blob: _Blob) -> bool:
        blobs = self._workspace.blobs
        opened = blobs.open(blobs.location(blob.digest))
        if opened is None:
            return False
        hashed = hashlib.new(blob.digest.algorithm, usedforsecurity=False)
        with opened:
            while piece := opened.read(_SMALL_BYTES):
                hashed.update(piece)
                self._check.progress.advance(str(blob.digest), len(piece))
        return hashed.hexdigest() == blob.digest.hex

    def _advance_to(self, blob: _Blob, before: int, done: int, size: int) -> None:
        """Report decoded bytes as the share of the stored bytes that they are."""
        whole = max(size, 1)
        stored = blob.size_bytes * done // whole - blob.size_bytes * before // whole
        self._check.progress.advance(str(blob.digest), stored)

    # --- what looks wrong -------------------------------------------------------------------------

    def _suspect(self, digest: Digest) -> Iterator[Verdict]:
        """Look up and read the bytes of a digest again; yield what is wrong with them."""
        try:
            found = damage.examination(self._workspace, digest)
            if found is None:
                return
            with self._workspace.read() as connection:
                known = content.find(connection, (digest,)).get(digest)
            if found.condition is not Condition.SOUND:
                self._check.unsound.add(digest)
                if known is not None:
                    yield self._unsound(digest, found)
                return
            if known is None:
                return
        except (ValueError, InvalidInput):
            yield self._check.error(
                "senseless-row", digest, "the rows about it make no sense", table="content"
            )
            return
        if found.size_bytes != known.size_bytes:
            yield self._wrong_size(digest, found.size_bytes, known.size_bytes)
        if known.state is ContentState.DAMAGED:
            yield self._sound_after_all(digest)

    def _unsound(self, digest: Digest, found: Examination) -> Verdict:
        if found.condition is Condition.DAMAGED:
            return self._check.damage("damaged", digest, found.reason)
        if found.condition is Condition.MISSING:
            with self._workspace.read() as connection:
                is_decoded = bool(content.sources(connection, (digest,))[digest].encodings)
            if is_decoded:
                why = f"{found.reason}; its bytes are decoded from another file"
                return self._check.warning("missing", digest, why)
            return self._check.error("missing", digest, found.reason)
        return self._check.unreadable(digest, found.reason)

    def _suspect_encoding(self, one: Encoded, reader: Reader) -> Iterator[Verdict]:
        """Decode a blob again whose stored bytes have their digest; yield what is wrong."""
        stored = one.stored.digest
        try:
            now = self._sources(one)
            if now is None:
                return
            try:
                self._decode(reader, now)
            except IntegrityError as exc:
                yield self._wrong_encoding(one, exc)
                return
            if not has_frames(self._workspace.blobs, one, self._memory):
                why = f"the catalogue says that parts of {one.content} can be decoded alone"
                yield self._check.warning("wrong-encoding", stored, why, table="encoding")
        except (Unavailable, MemoryError) as exc:
            yield self._check.unreadable(stored, f"cannot be decoded now: {exc}")
        except (ValueError, InvalidInput):
            yield self._check.error(
                "senseless-row", stored, "the rows about it make no sense", table="encoding"
            )

    def _wrong_encoding(self, one: Encoded, error: IntegrityError) -> Verdict:
        """Tell a blob that decodes to other bytes from a row that describes it wrongly."""
        stored = one.stored.digest
        why = wrong_row(self._workspace.blobs, one, self._memory)
        if why is not None:
            is_size = why.startswith("has ")
            return self._check.error(
                "wrong-size" if is_size else "wrong-encoding",
                one.content if is_size else stored,
                why,
                table="content" if is_size else "encoding",
            )
        # Its bytes have their digest: they were read above.
        kind = "wrong-diff" if isinstance(error, FalseEncoding) else "undecodable"
        return replace(self._check.damage(kind, stored, error.message), false_for=one.content)

    def _sources(self, one: Encoded) -> Sources | None:
        """Return the content that is decoded from a blob alone; None if it is known no more."""
        with self._workspace.read() as connection:
            now = content.sources(connection, (one.content,)).get(one.content)
        encodings = [] if now is None else now.encodings
        mine = tuple(each for each in encodings if each.digest == one.stored.digest)
        return None if now is None or not mine else _decoded(one.content, now.size_bytes, mine)

    def _decode(self, reader: Reader, sources: Sources) -> None:
        """Decode the only encoding in ``sources``. If it is not proven yet, prove it.

        Raises:
            IntegrityError: The encoding is damaged, or decodes to other bytes.
        """
        (stored,) = sources.encodings
        if not stored.is_proven:
            self._workspace.prover.check(sources, stored)
            return
        # The disk may have changed an encoding of ours, so it is hashed like any other.
        foreign = replace(sources, encodings=(replace(stored, is_ours=False),))
        for _ in reader.chunks(foreign):
            pass

    def _wrong_size(self, digest: Digest, size: int, known: object) -> Verdict:
        why = f"has {size} bytes, and the catalogue says {known}"
        return self._check.error("wrong-size", digest, why, table="content")

    def _sound_after_all(self, digest: Digest) -> Verdict:
        verdict = self._check.warning(
            "marked-damaged", digest, "was marked as damaged, but its bytes are correct"
        )
        return replace(verdict, sound=digest)

    # --- progress ---------------------------------------------------------------------------------

    def _start(self, key: str, label: str, size: int) -> None:
        self._check.progress.start(key, label, size)

    def _finish(self, key: str, size: int) -> None:
        self._check.progress.advance(key, size)
        self._check.progress.finish(key)


def _has_digest(data: bytes, digest: Digest) -> bool:
    return hashlib.new(digest.algorithm, data, usedforsecurity=False).hexdigest() == digest.hex


def _read_blobs(connection: Connection, some: Range) -> list[_Blob]:
    """Return the blobs of a range; those whose digest is none are found elsewhere."""
    decoded = raw_rows.encodings(connection, some)
    found = []
    for row in raw_rows.blobs(connection, some):
        digest = parsed(row.digest)
        if digest is not None:
            found.append(_blob(row, digest, decoded.get(row.id, [])))
    return found


def _blob(row: Any, digest: Digest, rows: list[Any]) -> _Blob:  # noqa: ANN401 - a raw row
    size = row.size_bytes if isinstance(row.size_bytes, int) else -1
    encodings = []
    for each in rows:
        target = parsed(each.digest)
        one = None if target is None else encoded(each, target, digest, size)
        if one is not None:
            encodings.append(one)
    return _Blob(
        ContentKey(row.id),
        digest,
        max(size, 0),
        row.state == _DAMAGED,
        tuple(encodings),
        size < 0 or len(encodings) < len(rows),
    )


def _foreign(one: Encoded) -> Sources:
    """Return content to decode from a blob whose decoded bytes are to be hashed."""
    return _decoded(one.content, one.size_bytes, (replace(one.stored, is_ours=False),))


def _decoded(digest: Digest, size_bytes: int, encodings: tuple[Any, ...]) -> Sources:
    return Sources(
        digest, size_bytes, ContentState.PRESENT, None, in_file=False, encodings=encodings
    )
