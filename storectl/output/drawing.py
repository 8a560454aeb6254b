"""The drawing of progress bars with rich; imported only when an operation takes long."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, final

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from storectl.output.units import human_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from storectl.output.bars import Bars, Shown

_SPEED_WINDOW: Final = 100
"""The number of drawings over which the speed is averaged."""

_LABEL_COLUMNS: Final = 24
_BAR_COLUMNS: Final = 30


@final
class Drawing:
    """Draws the lines of `Bars` as a table, and measures the speed of the total.

    Args:
        bars: The numbers to draw.
        clock: Returns a time in seconds that never goes back.
    """

    def __init__(self, bars: Bars, clock: Callable[[], float] = time.monotonic) -> None:
        self._bars = bars
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=_SPEED_WINDOW)

    def table(self) -> Table:
        """Return the lines as they are now, as a table that is never wider than the terminal."""
        *others, total = self._bars.lines()
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="crop", max_width=_LABEL_COLUMNS)
        for _ in range(3):
            table.add_column(no_wrap=True, overflow="crop")
        for one in others:
            table.add_row(*_cells(one))
        table.add_row(*_cells(total), Text(self._speed(total), style="progress.data.speed"))
        return table

    def _speed(self, total: Shown) -> str:
        """Return the speed of the last seconds, and the time that is left at this speed."""
        done = total.done_bytes or 0
        self._seen.append((self._clock(), done))
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        if end <= start or last <= first:
            return ""
        per_second = (last - first) / (end - start)
        speed = f"{human_size(int(per_second))}/s"
        if total.size_bytes is None:
            return speed
        left_s = int(max(0, total.size_bytes - done) / per_second)
        return f"{speed} {left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02}"


def _cells(one: Shown) -> tuple[Text | ProgressBar, ...]:
    # Labels come from archives: "[bold]" in a label is text, not markup.
    label = Text(one.label)
    if one.done_bytes is None:
        return (label,)
    if one.size_bytes is None:
        sizes = human_size(one.done_bytes)
    else:
        sizes = f"{human_size(one.done_bytes)}/{human_size(one.size_bytes)}"
    # rich draws a bar of an unknown total as a moving pulse.
    bar = ProgressBar(total=one.size_bytes, completed=one.done_bytes, width=_BAR_COLUMNS)
    return label, bar, Text(sizes, style="progress.download")
