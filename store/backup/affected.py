"""The images that damage in a backup affects, read from its copy of the catalogue."""

from __future__ import annotations

import logging
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from store.backup.generation import CATALOGUE
from store.catalog.checking import raw_rows
from store.errors import InvalidDigest, StoreError, printable
from store.model.digests import Digest
from store.workspace.engines import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from store.backup.report import Fault

logger = logging.getLogger(__name__)


def with_images(
    faults: Sequence[Fault], catalogue: Path, now: Callable[[], datetime]
) -> list[Fault]:
    """Return the faults with the images that need their blobs.

    The catalogue is copied and upgraded first, because it may have an older schema. If that fails,
    the faults name no images.

    Args:
        faults: The faults; a fault that is not about a blob stays as it is.
        catalogue: The copy of the catalogue in the backup.
        now: Returns the current time, in UTC.
    """
    if not faults:
        return []
    try:
        with TemporaryDirectory(prefix="storectl-") as folder:
            shutil.copyfile(catalogue, Path(folder) / CATALOGUE)
            with (
                closing(open_database(Path(folder), read_only=False, now=now)) as database,
                database.read() as unit,
            ):
                return [
                    fault
                    if digest is None
                    else replace(
                        fault,
                        images=tuple(
                            sorted({*fault.images, *raw_rows.affected(unit, str(digest))})
                        ),
                    )
                    for fault in faults
                    for digest in (_digest(fault.subject),)
                ]
    except (StoreError, OSError) as exc:
        logger.warning("cannot look up the images that are affected: %s", printable(str(exc)))
        return list(faults)


def _digest(subject: str) -> Digest | None:
    try:
        return Digest.parse(subject)
    except InvalidDigest:
        return None
