"""Drawing many examples from a strategy at once, and afterwards the smallest one that fails.

A real peer judges dozens of images per request far faster than one by one, which is how hypothesis
would hand them out. So examples are drawn first and judged in batches. Should one fail, the same
seed draws the same examples again; what is known about them is not asked twice, and hypothesis
shrinks the failing one."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hypothesis.strategies import SearchStrategy

Example = TypeVar("Example")

SHRINKING_S: Final = 60
"""After so long the smallest example so far is good enough."""

SPARE: Final = 1.5
"""Hypothesis draws some examples twice; so many more are asked for."""


class _Found(Exception):
    pass


def _draw(
    strategy: SearchStrategy[Example],
    count: int,
    seeded: int,
    phases: Collection[Phase],
    see: Callable[[Example], None],
) -> None:
    quiet = settings(
        max_examples=int(count * SPARE),
        phases=tuple(phases),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
        report_multiple_bugs=False,
    )

    @seed(seeded)
    @quiet
    @given(strategy)
    def drawn(example: Example) -> None:
        see(example)

    drawn()


def sample(strategy: SearchStrategy[Example], count: int, *, seeded: int) -> list[Example]:
    """``count`` different examples, the same for the same seed.

    Fewer only when the strategy has no more.
    """
    seen: dict[Example, None] = {}
    _draw(strategy, count, seeded, [Phase.generate], lambda example: seen.setdefault(example, None))
    return list(seen)[:count]


def smallest(
    strategy: SearchStrategy[Example],
    count: int,
    *,
    seeded: int,
    known: dict[Example, bool],
    fails: Callable[[Example], bool],
) -> Example:
    """The smallest failing example that hypothesis finds from a failing one of `sample` with the same arguments.

    Args:
        known: The examples judged so far, and whether each failed; one did at least.
        fails: Judges any other.
    """
    best: list[Example] = []
    deadline = time.monotonic() + SHRINKING_S

    def see(example: Example) -> None:
        if example not in known:
            # What nobody judged while drawing must not change the course of drawing.
            known[example] = bool(best) and time.monotonic() < deadline and fails(example)
        if known[example]:
            best.append(example)
            raise _Found

    with contextlib.suppress(_Found):
        _draw(strategy, count, seeded, [Phase.generate, Phase.shrink], see)
    return best[-1]
