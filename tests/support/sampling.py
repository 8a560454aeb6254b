"""Many examples drawn from a strategy at once, and the smallest example that fails.

A real peer judges dozens of images per request. That is much faster than judging them one by one,
as hypothesis draws them. So examples are drawn first and judged in batches. If one fails, the same
seed draws the same examples again, known results are reused, and hypothesis shrinks the failing
example.
"""

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
"""Seconds after which shrinking stops."""

SPARE: Final = 1.5
"""The factor by which more examples are drawn than needed: hypothesis draws some of them twice."""


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
    """Return ``count`` different examples; the same seed gives the same examples.

    The list is shorter only if the strategy has fewer examples.
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
    """Return the smallest failing example that hypothesis finds.

    Args:
        strategy: The strategy of `sample`, with the same arguments.
        count: The number of examples that `sample` returned.
        seeded: The seed of `sample`.
        known: Whether each example judged so far failed; at least one did.
        fails: Judges a further example.
    """
    best: list[Example] = []
    deadline = time.monotonic() + SHRINKING_S

    def see(example: Example) -> None:
        if example not in known:
            # Let an example pass that was not judged: a failure would change how examples are
            # drawn.
            known[example] = bool(best) and time.monotonic() < deadline and fails(example)
        if known[example]:
            best.append(example)
            raise _Found

    with contextlib.suppress(_Found):
        _draw(strategy, count, seeded, [Phase.generate, Phase.shrink], see)
    return best[-1]
