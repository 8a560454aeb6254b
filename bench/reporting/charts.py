"""Draw charts of the benchmark results, in SVG."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib import pyplot as plt

from bench.reporting.figures import judge, of_contestant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from bench.model import Case
    from bench.reporting.results import CaseResult, Results

_FEWEST: Final = 3
_OURS, _LIMIT, _PEER, _MISSED = "#1b6ca8", "#c9c9c9", "#e0a458", "#b03a2e"
_LIMITS: Final = ("sha256", "cp", "zstd", "isal", "process start")


def draw(cases: Sequence[Case], results: Results, folder: Path) -> list[str]:
    """Write the charts, and return the names of their files.

    Args:
        cases: The cases, in the order of the charts.
        results: The measurements to draw; a case without results gets no chart.
        folder: The existing folder in which to write the charts.
    """
    # Leave out the time and random element names, so that the same results give the same file.
    mpl.rcParams.update(
        {
            "svg.hashsalt": "storectl",
            # Text takes a fifth of the size of outlines, and can be searched.
            "svg.fonttype": "none",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    names = ["targets.svg"]
    _targets(cases, results, folder / names[0])
    for case in cases:
        result = results.cases.get(case.name)
        if (
            result is not None
            and result.rounds
            and any(sample.wall_s for sample in result.rounds[0].values())
            and len(result.contestants) - len(result.missing) > _FEWEST
        ):
            names.append(f"{case.name}.svg")
            _walls(result, folder / names[-1])
    return names


def _walls(result: CaseResult, path: Path) -> None:
    names = [name for name in result.contestants if name not in result.missing]
    spreads = [of_contestant(result.rounds, name, lambda sample: sample.wall_s) for name in names]
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(names) + 1))
    axes.barh(
        names,
        [spread.median for spread in spreads],
        xerr=[
            [spread.median - spread.low for spread in spreads],
            [spread.high - spread.median for spread in spreads],
        ],
        color=[
            _OURS if name.startswith("storectl") else _LIMIT if name.startswith(_LIMITS) else _PEER
            for name in names
        ],
        error_kw={"elinewidth": 0.8},
    )
    axes.invert_yaxis()
    axes.set_xlabel("seconds: median, least and most")
    axes.set_title(result.title, loc="left")
    _save(figure, path)


def _targets(cases: Sequence[Case], results: Results, path: Path) -> None:
    """Draw which share of its limit each target uses; a target is met if the share is at most 1."""
    rows = []
    for case in cases:
        for target in case.targets:
            found = judge(target, results.rounds(case.name))
            if found.spread is not None and not target.unit:
                used = (
                    target.limit / found.spread.median
                    if target.at_least
                    else found.spread.median / target.limit
                )
                rows.append((f"{case.name}: {target.text}", used, bool(found.met)))
    figure, axes = plt.subplots(figsize=(10, 0.28 * len(rows) + 1))
    axes.barh(
        [row[0] for row in rows],
        [row[1] for row in rows],
        color=[_OURS if row[2] else _MISSED for row in rows],
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("share of the limit that is used (1: just met)")
    axes.set_title("Targets that are ratios", loc="left")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    path.write_text(_on_one_line(text.getvalue()), encoding="utf-8")


def _on_one_line(svg: str) -> str:
    """Return an SVG drawing as one line of text, without comments.

    The charts are committed. If each has one line, a search through the repository stays readable.
    """
    without_comments = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", " ", without_comments).replace("> <", "><").strip() + "\n"
