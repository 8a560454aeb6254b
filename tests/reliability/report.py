"""The figures of a run as Markdown, and in docs/reliability.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BEGIN: Final = "<!-- figures: written by `make reliability` -->"
END: Final = "<!-- end of the figures -->"

_PHASES: Final = {
    "in a backup": ("backing up", "backed up"),
    "in a restore": ("restoring", "restored"),
    "in a repair": ("repairing", "repaired"),
    "in a rescue": ("rescuing", "rescued"),
}
"""The columns of power cuts in recoveries, and the phases that each of them counts."""


def render(run: Mapping[str, Any]) -> str:
    """Return the figures of a run as a section of Markdown."""
    parts = [_head(run)]
    if "matrix" in run:
        parts.append(_matrix(run["matrix"]))
    if "cuts" in run:
        parts.append(_cuts(run["cuts"]))
    if "mounted" in run:
        parts.append(_mounted(run["mounted"]))
    if "soak" in run:
        parts.append(_soak(run["soak"]))
    if run.get("planted", {}).get("figures"):
        parts.append(_planted(run["planted"]))
    if run.get("drills", {}).get("summary"):
        parts.append(f"**Drills.** {run['drills']['summary'][0].strip('= ')}.")
    return "\n\n".join(parts)


def failures(run: Mapping[str, Any]) -> list[str]:
    """Return a description of everything that did not survive."""
    found: list[str] = []
    for part in ("matrix", "cuts"):
        found += [text for one in run.get(part, ()) for text in one["failures"]]
    for name, one in run.get("mounted", {}).items():
        found += [f"{name}: {text}" for text in one["failures"]]
    found += run.get("soak", {}).get("failures", [])
    for part in ("planted", "drills"):
        if run.get(part, {}).get("code"):
            found.append(f"{part}: {run[part]['said']}")
    return found


def into_document(document: Path, run: Mapping[str, Any]) -> None:
    """Write the figures between the two marks of the document.

    Raises:
        ValueError: The document has no marks.
    """
    text = document.read_text(encoding="utf-8")
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    new = f"{text[:before]}\n\n{render(run)}\n\n{text[after:]}"
    document.write_text(new, encoding="utf-8")


def _head(run: Mapping[str, Any]) -> str:
    machine = run["machine"]
    return (
        f"Run on {machine['date']} at commit {machine['commit']}, with Python {machine['python']}."
    )


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [head, ("---",) + ("---:",) * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _thousands(number: int) -> str:
    return f"{number:,}"


def _matrix(found: list[dict[str, Any]]) -> str:
    rows: list[tuple[object, ...]] = []
    totals = [0, 0, 0, 0, 0]
    for one in found:
        tried = one["tried"]
        kills = sum(count for name, count in tried.items() if name.startswith("killed"))
        full = sum(count for name, count in tried.items() if name[:6] in ("ENOSPC", "EDQUOT"))
        count = sum(tried.values())
        figures = [count, kills, full, one["succeeded"], count - len(one["failures"])]
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        rows.append((one["operation"], one["calls"], *figures))
    rows.append(("**all**", "", *map(_thousands, totals)))
    head = ("operation", "calls", "faults", "kills", "full disk", "done in spite", "survived")
    return f"**Faults at each call.**\n\n{_table(head, rows)}"


def _cuts(found: list[dict[str, Any]]) -> str:
    rows: list[tuple[object, ...]] = [
        (one["operation"], one["cuts"], one["acknowledged"], one["cuts"] - len(one["failures"]))
        for one in found
    ]
    cuts = sum(one["cuts"] for one in found)
    lost = sum(len(one["failures"]) for one in found)
    acknowledged = sum(one["acknowledged"] for one in found)
    rows.append(("**all**", *map(_thousands, (cuts, acknowledged, cuts - lost))))
    head = ("operation", "power cuts", "after success", "survived")
    return f"**Power cuts, replayed.**\n\n{_table(head, rows)}"


def _mounted(found: Mapping[str, dict[str, Any]]) -> str:
    rows: list[tuple[object, ...]] = [
        (
            system,
            one["commands"],
            one["cuts"],
            *(
                sum(one["recoveries"].get(phase, 0) for phase in phases)
                for phases in _PHASES.values()
            ),
            one["acknowledged"],
            one["cuts"] - len(one["failures"]),
        )
        for system, one in found.items()
        if one["cuts"]
    ]
    missing = [f"{name}: {one['missing']}" for name, one in found.items() if one["missing"]]
    head = ("file system", "commands", "power cuts", *_PHASES, "images needed", "survived")
    text = f"**Power cuts below real file systems, mounted.**\n\n{_table(head, rows)}"
    return text + ("\n\nNot tried: " + "; ".join(missing) + "." if missing else "")


def _soak(found: Mapping[str, Any]) -> str:
    done = ", ".join(f"{name} {count}" for name, count in sorted(found["done"].items()))
    words = (
        f"**Soak.** {found['seconds'] / 60:.1f} minutes, {found['killed']} imports killed,"
        f" {found['busy']} times busy, {len(found['failures'])} failures. Done: {done}."
    )
    lines, line = [], ""
    for word in words.split(" "):
        if len(line) + len(word) >= 99:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def _planted(found: Mapping[str, Any]) -> str:
    (line,) = found["figures"]
    _, _, counts = line.partition(": ")
    return f"**Planted bits and pages** in blobs, the catalogue and its log: {counts}."
