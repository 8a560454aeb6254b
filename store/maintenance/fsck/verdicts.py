"""What a check has found, and what the caller must record about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar, final

from store.catalog.checking import raw_rows
from store.catalog.checking.raw_rows import Range
from store.errors import IntegrityError, InvalidDigest
from store.maintenance.reports import Finding, Severity
from store.model.digests import Digest
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace

T = TypeVar("T")

_TRY_AGAIN: Final = "correct the cause and check again: nothing is known about this content"
_ROW: Final = "the stored bytes are not the cause"
_MOST_FAILURES: Final = 500
"""Failed reads of one table after which the rest of it is given up."""


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, and the content that the caller must mark as damaged.

    Attributes:
        finding: The fact to report.
        damaged: The digest to mark as damaged; None if no stored bytes are wrong.
        sound: The digest whose mark must be removed, because its bytes are right; None if it has
            no mark.
        false_for: The content that the blob ``damaged`` should decode to but does not. None if the
            bytes of the blob are themselves wrong, or if there is no such content.
    """

    finding: Finding
    damaged: Digest | None = None
    sound: Digest | None = None
    false_for: Digest | None = None


@final
@dataclass(slots=True)
class Checked:
    """How much of each kind was checked.

    Attributes:
        counts: The number of things, by the name of their kind.
        sizes: Their size in bytes, by the name of their kind; 0 for rows.
    """

    counts: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, number: int = 1, size_bytes: int = 0) -> None:
        """Count things of a kind.

        Args:
            kind: The name of the kind, such as ``Blobs``.
            number: How many were checked.
            size_bytes: Their size.
        """
        self.counts[kind] += number
        self.sizes[kind] += size_bytes


@final
class Check:
    """One check of a whole store: what its steps share.

    Args:
        workspace: The store to check.
        progress: Receives a report for the bytes that are read.
        checked: Counts what was checked; None if nobody asks.
        on_sound: Called with the row numbers of contents whose bytes have their digests.

    Attributes:
        workspace: The store to check.
        progress: Receives a report for the bytes that are read.
        checked: Counts what was checked.
        on_sound: Called with the row numbers of contents whose bytes have their digests.
        unsound: The digests whose stored bytes are damaged, missing or unreadable.
    """

    def __init__(
        self,
        workspace: Workspace,
        progress: Progress,
        checked: Checked | None = None,
        on_sound: Callable[[Sequence[ContentKey]], None] = lambda _: None,
    ) -> None:
        self.workspace = workspace
        self.progress = progress
        self.checked = checked or Checked()
        self.on_sound = on_sound
        self.unsound: set[Digest] = set()
        self._malformed: dict[str, Verdict] = {}

    # --- reading of rows --------------------------------------------------------------------------

    def walk(self, table: str, read: Callable[[Connection, Range], T]) -> Iterator[T]:
        """Read a table by ranges of its row numbers, and go on behind rows that cannot be read.

        Args:
            table: A table of `store.catalog.checking.raw_rows.WALKED`.
            read: Returns what a range holds. Every range is read in a snapshot of its own.

        Yields:
            What ``read`` returned. `malformed` tells which tables could not be read as a whole.
        """
        first, failures = _LOWEST, 0
        while failures < _MOST_FAILURES:
            try:
                with self.workspace.raw() as connection:
                    some = raw_rows.next_range(connection, table, first)
            except IntegrityError as exc:
                self._note_malformed(table, exc)
                failures += 1
                first = max(first, 0) + raw_rows.RANGE
                continue
            if some is None:
                return
            left = [some]
            while left and failures < _MOST_FAILURES:
                part = left.pop()
                try:
                    with self.workspace.raw() as connection:
                        found = read(connection, part)
                except IntegrityError as exc:
                    self._note_malformed(table, exc)
                    failures += 1
                    if part.first < part.last:
                        # Only the rows that cannot be read are left out.
                        middle = (part.first + part.last) // 2
                        left += [Range(middle + 1, part.last), Range(part.first, middle)]
                    continue
                yield found
            first = some.last + 1

    def _note_malformed(self, table: str, error: IntegrityError) -> None:
        finding = Finding(
            Severity.ERROR,
            "damaged-catalogue",
            "store.db",
            f"some rows of table {table} cannot be read: {error.message}",
            hint=error.hint,
            table=table,
        )
        self._malformed.setdefault(table, Verdict(finding))

    def malformed(self) -> Iterator[Verdict]:
        """Yield a finding for each table that could not be read as a whole, once."""
        yield from self._malformed.values()
        self._malformed.clear()

    # --- verdicts ---------------------------------------------------------------------------------

    def error(self, kind: str, digest: Digest, why: str, *, table: str | None = None) -> Verdict:
        """Return an error about a digest, with the images that it affects.

        Args:
            kind: A word for this kind of finding.
            digest: The digest.
            why: The fact, without the digest.
            table: The table of the catalogue whose row is wrong; None if stored bytes are wrong.
        """
        return self._verdict(Severity.ERROR, kind, digest, why, table)

    def warning(self, kind: str, digest: Digest, why: str, *, table: str | None = None) -> Verdict:
        """Return a warning about a digest; `error` describes the arguments."""
        return self._verdict(Severity.WARNING, kind, digest, why, table)

    def damage(self, kind: str, digest: Digest, why: str) -> Verdict:
        """Return an error about stored bytes that the caller must mark as damaged."""
        return replace(self.error(kind, digest, why), damaged=digest)

    def unreadable(self, digest: Digest, reason: str) -> Verdict:
        """Return an error about bytes that cannot be read now."""
        verdict = self.error("unreadable", digest, reason)
        # Nothing is known about the bytes, so there is nothing to import again.
        return replace(verdict, finding=replace(verdict.finding, hint=_TRY_AGAIN, remedy=None))

    def row(self, kind: str, subject: str, why: str, table: str) -> Verdict:
        """Return an error about a row.

        Args:
            kind: A word for this kind of finding.
            subject: The digest or the name that the row is about, as it is stored.
            why: The fact, without the subject.
            table: The table of the row.
        """
        digest = parsed(subject)
        if digest is not None:
            return self.error(kind, digest, why, table=table)
        return Verdict(
            Finding(
                Severity.ERROR,
                kind,
                subject,
                f"{subject}: {why}",
                (subject,),
                _ROW,
                Remedy.REPAIR_ROWS,
                table=table,
            )
        )

    def _verdict(
        self, severity: Severity, kind: str, digest: Digest, why: str, table: str | None
    ) -> Verdict:
        try:
            with self.workspace.raw() as connection:
                images = raw_rows.affected(connection, str(digest))
        except IntegrityError:
            # The rows that would tell are malformed, which is a finding of its own.
            images = ()
        hint, remedy = None, None
        if severity is not Severity.WARNING:
            hint = None if table is None else _ROW
            remedy = Remedy.REPAIR_CONTENT if table is None else Remedy.REPAIR_ROWS
        return Verdict(
            Finding(
                severity,
                kind,
                str(digest),
                f"{digest}: {why}",
                images,
                hint=hint,
                remedy=remedy,
                digest=digest,
                table=table,
            )
        )


_LOWEST: Final = -(1 << 63)
"""The lowest row number. A flipped bit can make a number negative."""


def parsed(digest: object) -> Digest | None:
    """Return a digest of a raw row; None for any other value, which is found elsewhere."""
    if not isinstance(digest, str):
        return None
    try:
        return Digest.parse(digest)
    except InvalidDigest:
        return None
