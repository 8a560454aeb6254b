"""Progress bars on a terminal: a few of the running parts, and the total.

Reports only change numbers. One thread draws them, `REDRAWS_PER_S` times a second, so that the cost
of drawing does not depend on the number of parts.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from store.model.progress import Silent
from storectl.output.bars import Bars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.model.progress import Progress

REDRAWS_PER_S: Final = 10
"""How often the bars are drawn."""

DELAY_S: Final = 0.3
"""How long an operation runs before its bars appear. A shorter operation draws nothing."""


@contextmanager
def progress(*, quiet: bool, bars: Bars | None = None) -> Iterator[Progress]:
    """Yield bars if standard error is a terminal, else a `Progress` that shows nothing.

    Args:
        quiet: Whether to show nothing even on a terminal.
        bars: The bars to show; None for new ones. Bars of an operation that prints lines in between
            are shown several times.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield Silent()
        return
    bars = bars or Bars()
    ended = threading.Event()
    thread = threading.Thread(target=_draw, args=(bars, ended), name="progress", daemon=True)
    thread.start()
    try:
        yield bars
    finally:
        ended.set()
        thread.join()


def _draw(bars: Bars, ended: threading.Event) -> None:
    """Draw ``bars`` on standard error until ``ended`` is set, then erase them."""
    if ended.wait(DELAY_S):
        return
    from rich.console import Console  # noqa: PLC0415 - only for an operation that takes long
    from rich.live import Live  # noqa: PLC0415

    from storectl.output.drawing import Drawing  # noqa: PLC0415

    drawing = Drawing(bars)
    # rich must not redirect standard output: the archive may be written there.
    with Live(
        get_renderable=drawing.table,
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
    ) as live:
        while not ended.wait(1 / REDRAWS_PER_S):
            live.refresh()
