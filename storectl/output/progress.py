"""Progress on standard error: a bar for each running layer and one for the whole, only on a terminal."""

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
    """A `store.model.contents.Progress` drawn with rich, which is safe to be told from several threads."""

    def __init__(self, rich: RichProgress) -> None:
        self._rich = rich
        self._total = rich.add_task("total", total=None)
        self._parts: dict[str, TaskID] = {}

    def total(self, size_bytes: int | None) -> None:
        """See `Progress`."""
        self._rich.update(self._total, total=size_bytes)

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """See `Progress`."""
        self._parts[key] = self._rich.add_task(printable(label), total=size_bytes)

    def advance(self, key: str, size_bytes: int) -> None:
        """See `Progress`."""
        self._rich.advance(self._parts[key], size_bytes)
        self._rich.advance(self._total, size_bytes)

    def finish(self, key: str) -> None:
        """See `Progress`."""
        self._rich.remove_task(self._parts.pop(key))


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Bars on a terminal, silence elsewhere."""
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

    # Labels come from archives: "[bold]" in one is a name, not an order.
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # Standard output is left alone: the archive may be going there.
    with RichProgress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False
    ) as rich:
        yield Bars(rich)
