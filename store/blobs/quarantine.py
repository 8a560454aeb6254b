"""Files that the catalogue does not know, set aside for a week before they are removed.

Such a file is usually waste, such as the rest of a power cut. But if the catalogue is lost and an
older copy takes its place, the files of newer images have no row either. So a collection moves them
to ``quarantine/`` instead of removing them. The name of each file begins with the time of the move.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, final

from store.blobs.directory import BLOBS
from store.blobs.folders import QUARANTINE, QUARANTINED_FOR
from store.errors import InvalidDigest
from store.files.creation import open_folder
from store.files.os_errors import translated
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TIME: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(
    r"(?P<time>[0-9]{8}T[0-9]{6}Z)-(?P<algorithm>sha[0-9]+)-(?P<hex>[0-9a-f]+)(?:-[0-9]+)?"
)


@final
@dataclass(frozen=True, slots=True)
class Quarantined:
    """A file in quarantine.

    Attributes:
        name: The name of the file.
        digest: The digest that names the bytes.
        size_bytes: The size of the file.
        until: When a collection may remove the file.
    """

    name: str
    digest: Digest
    size_bytes: int
    until: datetime


@final
class Quarantine:
    """The folder ``quarantine`` of one store.

    Args:
        root: The root of the store.
        kept_for: How long a file stays in quarantine.
    """

    def __init__(self, root: Path, kept_for: timedelta = QUARANTINED_FOR) -> None:
        self._root = root
        self._kept_for = kept_for

    def take(self, digest: Digest, now: datetime) -> int | None:
        """Move the file of a digest into quarantine; return its size in bytes.

        No symbolic link is followed. Call this inside a write unit that has just looked for a row.

        Args:
            digest: The digest of a file without a row.
            now: The current time.

        Returns:
            The size of the file; None if there is no such file.
        """
        with translated(self._root / QUARANTINE):
            try:
                with open_folder(self._root, BLOBS, digest.algorithm, digest.hex[:2]) as source:
                    size = os.stat(digest.hex, dir_fd=source, follow_symlinks=False).st_size
                    with open_folder(self._root, QUARANTINE, create=True) as target:
                        name = _free_name(digest, now, target)
                        os.replace(digest.hex, name, src_dir_fd=source, dst_dir_fd=target)
                        os.fsync(target)
            except FileNotFoundError:
                return None
        return size

    def give_back(self, file: Quarantined) -> bool:
        """Move a file back to its place among the blobs, unless another file is there.

        Call this inside a write unit that has just found a row of the digest.

        Args:
            file: A file in quarantine.

        Returns:
            Whether the file was moved.
        """
        digest = file.digest
        with (
            translated(self._root / QUARANTINE / file.name),
            open_folder(self._root, BLOBS, digest.algorithm, digest.hex[:2], create=True) as target,
            open_folder(self._root, QUARANTINE) as source,
        ):
            try:
                os.stat(digest.hex, dir_fd=target, follow_symlinks=False)
            except FileNotFoundError:
                with suppress(FileNotFoundError):
                    os.replace(file.name, digest.hex, src_dir_fd=source, dst_dir_fd=target)
                    os.fsync(target)
                    return True
        return False

    def remove(self, file: Quarantined) -> int:
        """Unlink a file in quarantine; return the number of bytes freed.

        Args:
            file: A file in quarantine.
        """
        with translated(self._root / QUARANTINE / file.name), suppress(FileNotFoundError):
            with open_folder(self._root, QUARANTINE) as folder:
                os.unlink(file.name, dir_fd=folder)
            return file.size_bytes
        return 0

    def files(self) -> Iterator[Quarantined]:
        """Yield the files in quarantine, in the order of their names; skip other files."""
        folder = self._root / QUARANTINE
        with translated(folder):
            try:
                with open_folder(self._root, QUARANTINE) as opened, os.scandir(opened) as entries:
                    found = sorted(
                        (entry.name, entry.stat(follow_symlinks=False).st_size)
                        for entry in entries
                        if entry.is_file(follow_symlinks=False)
                    )
            except FileNotFoundError:
                return
        for name, size in found:
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            with suppress(InvalidDigest, ValueError):
                taken = datetime.strptime(match["time"], _TIME).replace(tzinfo=UTC)
                digest = Digest(match["algorithm"], match["hex"])
                yield Quarantined(name, digest, size, taken + self._kept_for)


def kept_until(now: datetime, kept_for: timedelta = QUARANTINED_FOR) -> datetime:
    """Return until when a file stays that is moved into quarantine now."""
    return now.astimezone(UTC).replace(microsecond=0) + kept_for


def _free_name(digest: Digest, now: datetime, folder: int) -> str:
    name = f"{now.astimezone(UTC).strftime(_TIME)}-{digest.algorithm}-{digest.hex}"
    taken = set(os.listdir(folder))
    others = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(one for one in others if one not in taken)
