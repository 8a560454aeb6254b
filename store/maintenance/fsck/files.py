"""A check for files that the catalogue does not know."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from store.catalog import content
from store.catalog.batches import BATCH
from store.errors import IntegrityError, Unavailable
from store.maintenance.fsck.verdicts import Verdict
from store.maintenance.reports import Finding, Severity
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.maintenance.fsck.verdicts import Check
    from store.model.digests import Digest, Location


def unknown_files(check: Check) -> Iterator[Verdict]:
    """Yield a finding for each file of a blob that has no row.

    Args:
        check: The check that this is a step of.
    """
    files = check.workspace.blobs.locations()
    try:
        while some := list(islice(files, BATCH)):
            check.checked.add("Files", len(some))
            yield from map(_orphan, _without_rows(check, some))
    except Unavailable as exc:
        yield Verdict(
            Finding(
                Severity.ERROR,
                "unreadable",
                "blobs",
                f"cannot look for files that are not in the catalogue: {exc.message}",
                hint=exc.hint,
                remedy=exc.remedy,
            )
        )
    except IntegrityError:
        # The catalogue is malformed, which is a finding of its own. A file cannot be looked up.
        return


def _without_rows(check: Check, locations: list[Location]) -> list[Digest]:
    blobs = check.workspace.blobs
    places = {blobs.digest(location): location for location in locations}
    with check.workspace.read() as connection:
        known = content.with_blob_rows(connection, list(places))
    # A collection may have removed the file in the meantime.
    return [
        digest
        for digest, location in places.items()
        if digest not in known and blobs.size(location) is not None
    ]


def _orphan(digest: Digest) -> Verdict:
    return Verdict(
        Finding(
            Severity.WARNING,
            "orphan",
            str(digest),
            f"the file of {digest} is not in the catalogue",
            remedy=Remedy.COLLECT_GARBAGE,
            digest=digest,
        )
    )
