"""Progress bars on a terminal: one for each running layer, and one for the total."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from store.errors import printable
from store.model.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from store.model.progress import Progress


@final
class Bars:
    """A `Progress` that draws bars with rich, which several threads may update at once."""

    def __init__(self, rich: RichProgress) -> None:
        self._rich = rich
        self._total = rich.add_task("total", total=None)
        self._parts: dict[str, TaskID] = {}

    def total(self, size_bytes: int | None) -> None:
        """Set the total size in bytes; None if it is unknown."""
        self._rich.update(self._total, total=size_bytes)

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """Add a bar for a part.

        Args:
            key: Identifies the part in `advance` and `finish`.
            label: The text in front of the bar; control characters are escaped.
            size_bytes: The size of the part in bytes, or None if it is unknown.
        """
        self._parts[key] = self._rich.add_task(printable(label), total=size_bytes)

    def advance(self, key: str, size_bytes: int) -> None:
        """Advance the bar of the part ``key`` and the total by ``size_bytes`` bytes."""
        self._rich.advance(self._parts[key], size_bytes)
        self._rich.advance(self._total, size_bytes)

    def finish(self, key: str) -> None:
        """Remove the bar of the part ``key``."""
        self._rich.remove_task(self._parts.pop(key))


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Yield bars if standard error is a terminal, else a `Progress` that shows nothing.

    Args:
        quiet: Whether to show nothing even on a terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    # Labels come from archives: "[bold]" in a label is text, not markup.
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # rich must not redirect standard output: the archive may be written there.
    with RichProgress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False
    ) as rich:
        yield Bars(rich)
