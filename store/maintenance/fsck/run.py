"""A check of a whole store that recomputes all digests, diff IDs, chain IDs and edges."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from store.errors import DamagedContent, FalseEncoding, Unavailable, printable
from store.maintenance import quarantine
from store.maintenance.fsck.check_record import CheckRecord
from store.maintenance.fsck.contents import Contents
from store.maintenance.fsck.database import catalogue_findings
from store.maintenance.fsck.files import unknown_files
from store.maintenance.fsck.images import Images
from store.maintenance.fsck.manifests import Manifests
from store.maintenance.fsck.names import Names
from store.maintenance.fsck.verdicts import Check
from store.maintenance.reports import Finding, Severity
from store.workspace import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from store.db.types import ContentKey
    from store.maintenance.fsck.verdicts import Checked, Verdict
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)


def check(
    workspace: Workspace,
    progress: Progress,
    checked: Checked | None = None,
    *,
    with_catalogue: bool = True,
) -> Iterator[Finding]:
    """Check the whole store; yield each finding when it is found, and record it afterwards.

    Content whose bytes are wrong is marked as damaged, and marks of sound content are removed. A
    scrub need not read sound content again: its check is recorded. If
    that is impossible (the disk is full, the store is read-only), the check goes on.

    Args:
        workspace: The store to check.
        progress: Receives a report for the bytes that are read.
        checked: Counts what was checked; None if nobody asks.
        with_catalogue: Whether to begin with the engine's own check of the catalogue. A caller that
            has made it before the store was opened (`catalogue_findings`) leaves it out.
    """
    if with_catalogue:
        yield from catalogue_findings(workspace.root)
    if not workspace.read_only:
        try:
            quarantine.give_back(workspace)
        except Unavailable as exc:
            logger.warning("cannot look into the quarantine: %s", printable(exc.message))
    unrecorded = 0
    checks = CheckRecord(workspace)
    for verdict in verdicts(workspace, progress, checked, checks.add):
        yield verdict.finding
        unrecorded += not _record(workspace, verdict)
    checks.write()
    if checks.unwritten:
        yield Finding(
            Severity.WARNING,
            "not-recorded",
            "store.db",
            f"the checks of {checks.unwritten} contents cannot be recorded now",
            hint="correct the cause; until then, the next scrub reads these contents again",
        )
    if unrecorded:
        yield Finding(
            Severity.WARNING,
            "not-recorded",
            "store.db",
            f"the marks of {unrecorded} damaged or repaired contents cannot be written now",
            hint="correct the cause and check again, so that damaged content is not served",
        )


def _record(workspace: Workspace, verdict: Verdict) -> bool:
    """Write the mark of a verdict; return False if that is impossible now."""
    if workspace.read_only:
        return True
    if verdict.sound is not None:
        return damage.clear(workspace, verdict.sound)
    if verdict.damaged is None:
        return True
    message, digest = verdict.finding.message, verdict.damaged
    return workspace.report_damage(
        DamagedContent(message, digest=digest)
        if verdict.false_for is None
        else FalseEncoding(message, digest=digest, content=verdict.false_for)
    )


def verdicts(
    workspace: Workspace,
    progress: Progress,
    checked: Checked | None = None,
    on_sound: Callable[[Sequence[ContentKey]], None] = lambda _: None,
) -> Iterator[Verdict]:
    """Yield the findings about stored bytes, then about rows, then about files; record nothing.

    Args:
        workspace: The store to check.
        progress: Receives a report for the bytes that are read.
        checked: Counts what was checked; None if nobody asks.
        on_sound: Called with the row numbers of contents whose bytes have their digests.
    """
    running = Check(workspace, progress, checked, on_sound)
    yield from Contents(running).run()
    yield from Images(running).run()
    yield from Manifests(running).run()
    yield from Names(running).run()
    yield from unknown_files(running)
