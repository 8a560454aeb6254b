"""The scrubber: it reads stored bytes again, those first that were not checked for longest.

A check of everything (`fsck`) also compares the rows of the catalogue. The scrubber only compares
bytes with their digests, and remembers when it did. So it can be interrupted at any time, keeps to
a rate, and may run beside a server. An encoding that was once decoded and compared stays right as
long as its bytes have their digest, so nothing is decoded.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from store.catalog.checking import scrub
from store.content.examination import PIECE_BYTES, Condition, examine
from store.errors import Unavailable, printable
from store.files import page_cache
from store.maintenance.fsck.verdicts import Check
from store.maintenance.pace import StoppedError
from store.maintenance.reports import Finding, Severity
from store.model.contents import ContentState
from store.model.limits import MIB
from store.workspace import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from store.blobs.protocol import OpenBlob
    from store.catalog.checking.scrub import CheckedContent, Due
    from store.content.examination import Examination
    from store.db.types import ContentKey
    from store.maintenance.pace import Pace
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

MAX_AGE: Final = timedelta(days=3650)
"""The longest age of a check that can be asked for."""

RESUMED_FOR: Final = timedelta(days=30)
"""How long an interrupted pass over everything can be continued."""

CONTENT_COST_BYTES: Final = 64 * 1024
"""What a content costs at least, in bytes of the rate: a small file costs a seek of the disk."""

_PAGE: Final = 20_000
_CHUNK: Final = 256
_INLINE_BYTES: Final = 16 * MIB
"""The most bytes of documents that are in memory at once, beyond the first document."""

_RECORD_AFTER: Final = 1000
"""How many checks are recorded in one transaction."""

_RECORD_EVERY_S: Final = 30.0
"""How many seconds of work an abrupt end may lose."""


@final
@dataclass(slots=True)
class ScrubReport:
    """What a run of the scrubber did.

    Attributes:
        contents: The number of contents that were read.
        size_bytes: The number of bytes that were read.
        seen: The number of contents that were due, including those that could not be read.
        errors: The number of errors.
        resumed_from: When the pass began that this run continues; None for a new pass.
        is_complete: Whether everything that was due has been read.
    """

    contents: int = 0
    size_bytes: int = 0
    seen: int = 0
    errors: int = 0
    resumed_from: datetime | None = None
    is_complete: bool = False


@final
class Scrub:
    """One run of the scrubber. Only one at a time reads a store.

    Args:
        workspace: The store to scrub.
        pace: The limit of the rate.
        max_age: Skip content that was checked within this time. None to check everything; an
            interrupted run without an age is then continued.
        progress: Receives a report for each content.
        on_record: Called with the number of contents, bytes and errors since its last call.
    """

    def __init__(
        self,
        workspace: Workspace,
        pace: Pace,
        progress: Progress,
        *,
        max_age: timedelta | None = None,
        on_record: Callable[[int, int, int], None] = lambda _contents, _bytes, _errors: None,
    ) -> None:
        self._workspace = workspace
        self._pace = pace
        self._progress = progress
        self._max_age = max_age
        self._on_record = on_record
        self._findings = Check(workspace, progress)
        self._checked: list[ContentKey] = []
        self._pass: int | None = None
        self._earlier = (0, 0, 0)
        self._reported = (0, 0, 0)
        self._unrecorded = 0
        self.report = ScrubReport()

    def run(self) -> Iterator[Finding]:
        """Read what is due; yield each finding when it is found.

        Marks of damage are set and removed as by `fsck`. What was read is recorded in batches. A
        store that cannot be written is read all the same.

        Raises:
            Unavailable: Another process or thread scrubs the store, or it cannot be read.
        """
        lock = None if self._workspace.read_only else self._workspace.locks.lock_scrub()
        if lock is None and not self._workspace.read_only:
            raise Unavailable(
                "another process is scrubbing this store",
                hint="wait until it has ended; `fsck` can run at the same time",
            )
        try:
            yield from self._run()
        finally:
            if lock is not None:
                lock.release()

    def _run(self) -> Iterator[Finding]:
        self._started_at = self._batch_at = self._workspace.now()
        self._before = self._begin()
        with self._workspace.read() as connection:
            self._progress.total(scrub.amount(connection, before=self._before)[1])
        self._recorded_s = self._pace.now_s
        try:
            yield from self._pages()
            self.report.is_complete = True
        except StoppedError:
            pass
        finally:
            self._record(is_last=True)
        if self._unrecorded:
            yield Finding(
                Severity.WARNING,
                "not-recorded",
                "store.db",
                f"the checks of {self._unrecorded} contents cannot be recorded now",
                hint="correct the cause; until then, the next scrub reads these contents again",
            )

    def _begin(self) -> datetime:
        """Return the time before which the last check of a content has to be."""
        if self._max_age is not None:
            return self._started_at - self._max_age
        with self._workspace.read() as connection:
            last = scrub.last_full_pass(connection)
        if (
            last is None
            or last.finished_at is not None
            or not timedelta(0) <= self._started_at - last.started_at <= RESUMED_FOR
        ):
            # What was written in this very moment is read as well.
            return self._started_at + timedelta(microseconds=1)
        self._pass = last.number
        self._earlier = (last.contents, last.size_bytes, last.errors)
        self.report.resumed_from = last.started_at
        return last.before

    def _pages(self) -> Iterator[Finding]:
        with self._workspace.read() as connection:
            # Contents that are marked come first: their bytes may be right again.
            page = scrub.marked(connection, before=self._before)
        last: Due | None = None
        while True:
            for chunk in _chunks(page):
                yield from self._chunk(chunk)
            with self._workspace.read() as connection:
                page = scrub.due(connection, before=self._before, after=last, limit=_PAGE)
            if not page:
                return
            last = page[-1]

    def _chunk(self, chunk: Sequence[Due]) -> Iterator[Finding]:
        sources = self._workspace.sources([one.digest for one in chunk])
        for one in chunk:
            self._pace.spend(CONTENT_COST_BYTES)
            found = sources.get(one.digest)
            if found is not None and (found.inline is not None or found.in_file):
                self.report.seen += 1
                yield from self._check(one, found)
            if (
                len(self._checked) >= _RECORD_AFTER
                or self._pace.now_s >= self._recorded_s + _RECORD_EVERY_S
            ):
                self._record()

    def _check(self, one: Due, sources: Sources) -> Iterator[Finding]:
        key = str(one.digest)
        self._progress.start(key, one.digest.short, one.size_bytes)
        found = examine(self._workspace.blobs, sources, self._read)
        self._progress.advance(key, one.size_bytes)
        self._progress.finish(key)
        if found.condition is Condition.DAMAGED:
            found = self._marked(one, found) or found
        match found.condition:
            case Condition.SOUND:
                yield from self._sound(one, found.size_bytes)
            case Condition.DAMAGED:
                yield self._error("damaged", one.digest, found.reason)
            case Condition.MISSING:
                yield from self._missing(one.digest, found.reason)
                return
            case Condition.UNREADABLE:
                self.report.errors += 1
                yield self._findings.unreadable(one.digest, found.reason).finding
                return
        self._checked.append(one.key)
        self.report.contents += 1
        self.report.size_bytes += found.size_bytes

    def _read(self, blob: OpenBlob) -> Iterator[bytes]:
        """Yield the bytes of a blob at the pace; keep no pages in memory that were not there."""
        file, offset = blob.as_file(), 0
        while True:
            was_cached = file is None or page_cache.is_cached(file.fileno(), offset)
            piece = blob.read(PIECE_BYTES)
            if not piece:
                return
            if file is not None and not was_cached:
                page_cache.drop(file.fileno(), offset, len(piece))
            offset += len(piece)
            self._pace.spend(len(piece))
            yield piece

    # --- findings ---------------------------------------------------------------------------------

    def _marked(self, one: Due, found: Examination) -> Examination | None:
        """Read damaged bytes again, and mark them; return what was found the second time."""
        if self._workspace.read_only:
            return found
        try:
            return damage.mark(self._workspace, one.digest)
        except Unavailable as exc:
            logger.warning("cannot record damage: %s", printable(exc.message))
            self._unrecorded += 1
            return found

    def _sound(self, one: Due, size_bytes: int) -> Iterator[Finding]:
        if size_bytes != one.size_bytes:
            yield self._error(
                "wrong-size",
                one.digest,
                f"has {size_bytes} bytes, and the catalogue says {one.size_bytes}",
            )
        if one.state is ContentState.DAMAGED:
            if not self._workspace.read_only:
                self._unrecorded += not damage.clear(self._workspace, one.digest)
            yield self._findings.warning(
                "marked-damaged", one.digest, "was marked as damaged, but its bytes are correct"
            ).finding

    def _missing(self, digest: Digest, reason: str) -> Iterator[Finding]:
        """Yield a finding, unless the content was collected in the meantime."""
        sources = self._workspace.sources((digest,)).get(digest)
        if sources is None or not sources.in_file:
            return
        if sources.encodings:
            yield self._findings.warning(
                "missing", digest, f"{reason}; its bytes are decoded from another file"
            ).finding
        else:
            yield self._error("missing", digest, reason)

    def _error(self, kind: str, digest: Digest, why: str) -> Finding:
        self.report.errors += 1
        return self._findings.error(kind, digest, why).finding

    # --- the record -------------------------------------------------------------------------------

    def _record(self, *, is_last: bool = False) -> None:
        """Write the checks since the last call, in one transaction."""
        report = self.report
        now = (report.contents, report.size_bytes, report.errors)
        is_ended = is_last and report.is_complete
        if now != self._reported or (is_ended and self._pass is not None):
            self._on_record(*(new - old for new, old in zip(now, self._reported, strict=True)))
            self._reported = now
            if not self._workspace.read_only:
                self._write(is_ended=is_ended)
        self._checked.clear()
        self._recorded_s, self._batch_at = self._pace.now_s, self._workspace.now()

    def _write(self, *, is_ended: bool) -> None:
        contents, size_bytes, errors = (
            earlier + new for earlier, new in zip(self._earlier, self._reported, strict=True)
        )
        try:
            with self._workspace.write("scrub") as connection:
                # Not before that time, so that no content is due twice in one pass.
                scrub.record(connection, self._checked, max(self._batch_at, self._before))
                if self._pass is None:
                    self._pass = scrub.begin_pass(
                        connection, now=self._started_at, before=self._before
                    )
                scrub.note_pass(
                    connection,
                    self._pass,
                    contents=contents,
                    size_bytes=size_bytes,
                    errors=errors,
                    finished_at=self._workspace.now() if is_ended else None,
                )
        except Unavailable as exc:
            logger.warning("cannot record checks: %s", printable(exc.message))
            self._unrecorded += len(self._checked)


def checked_content(workspace: Workspace) -> CheckedContent:
    """Return how many contents are stored and damaged, and the oldest check.

    Args:
        workspace: The opened store.
    """
    with workspace.read() as connection:
        return scrub.checked(connection)


def damaged_contents(workspace: Workspace) -> int:
    """Return the number of contents that are marked as damaged.

    Args:
        workspace: The opened store.
    """
    with workspace.read() as connection:
        return scrub.damaged(connection)


def _chunks(page: Sequence[Due]) -> Iterator[list[Due]]:
    """Cut a page into parts whose documents fit into memory."""
    chunk: list[Due] = []
    inline_bytes = 0
    for one in page:
        inline_bytes += 0 if one.in_file else one.size_bytes
        if chunk and (len(chunk) >= _CHUNK or inline_bytes > _INLINE_BYTES):
            yield chunk
            chunk, inline_bytes = [], 0 if one.in_file else one.size_bytes
        chunk.append(one)
    if chunk:
        yield chunk
