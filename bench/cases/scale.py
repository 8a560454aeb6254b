"""Cases that use a store with a million names.

The cost of look-ups, pages and small imports must not grow with the store. The cost of ``gc`` and
``df`` may grow, within limits.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from bench.contestants import ours
from bench.contestants.crowded import Question, command, crowd, importing_new, names
from bench.corpora.inputs import Inputs
from bench.derived import beyond_start_s, net, wall
from bench.model import Case, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.model import Contestant
    from bench.workshop import Workshop

OURS: Final = "storectl"
_EMPTY: Final = "storectl, empty store"
_MEMORY: Final = Target(
    "≤ 150 MiB of memory", lambda one: one[OURS].peak_bytes / 2**20, 150, unit="MiB"
)


def _asked(question: str, shop: Workshop) -> Sequence[Contestant]:
    return [Question(OURS, question, Inputs(shop).crowd(), partial(names, shop))]


def _command(words: str, shop: Workshop) -> Sequence[Contestant]:
    # A command that changes the store gets a copy.
    root = crowd(shop) if words.startswith("tag") else Inputs(shop).crowd()
    return [
        command(OURS, shop, root, *words.format(name=names(shop)[5]).split()),
        ours.starting(shop),
    ]


def _import(shop: Workshop) -> Sequence[Contestant]:
    return [
        importing_new(OURS, shop, crowd(shop)),
        importing_new(_EMPTY, shop, None),
        ours.starting(shop),
    ]


def _listing(shop: Workshop) -> Sequence[Contestant]:
    return [command(OURS, shop, Inputs(shop).thousands(), "images"), ours.starting(shop)]


def _beyond_start(words: str, name: str, title: str, *targets: Target) -> Case:
    return Case(
        name, f"{title}, a million names", partial(_command, words), (*targets, _MEMORY), rounds=5
    )


CASES: Final = (
    Case(
        "scale-look-up",
        "look a name up, a million names",
        partial(_asked, "look-up"),
        (Target("≤ 5 ms", lambda one: wall(one, OURS) * 1e3, 5, unit="ms"), _MEMORY),
    ),
    Case(
        "scale-plan",
        "plan a save, a million names",
        partial(_asked, "plan"),
        (Target("≤ 50 ms", lambda one: wall(one, OURS) * 1e3, 50, unit="ms"), _MEMORY),
    ),
    Case(
        "scale-import",
        "import a small image, a million names",
        _import,
        (
            Target(
                "≤ 1.3 x its time in an empty store",
                lambda one: net(one, OURS) / net(one, _EMPTY),
                1.3,
            ),
            _MEMORY,
        ),
        rounds=9,
    ),
    _beyond_start(
        "images --limit 100",
        "scale-images",
        "a page of images",
        Target("≤ 0.5 s beyond process start", partial(beyond_start_s, OURS), 0.5, unit="s"),
    ),
    _beyond_start("images {name}", "scale-images-name", "images by name"),
    _beyond_start(
        "gc --dry-run",
        "scale-gc",
        "gc, mark only",
        Target("≤ 15 s", lambda one: wall(one, OURS), 15, unit="s"),
    ),
    _beyond_start("df", "scale-df", "df"),
    _beyond_start("inspect {name}", "scale-inspect", "inspect"),
    _beyond_start("history {name}", "scale-history", "history"),
    _beyond_start("events --since 2025-06-01", "scale-events", "events of a while"),
    _beyond_start("tag {name} bench/tagged:1", "scale-tag", "tag"),
    Case(
        "images-10000",
        "images of a store of 10,000",
        _listing,
        (Target("≤ 1.2 s", lambda one: wall(one, OURS), 1.2, unit="s"), _MEMORY),
    ),
)
