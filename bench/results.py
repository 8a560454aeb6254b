"""What was measured, kept as JSON: cases can be run one by one, on different days, and their results stand together."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bench.model import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.model import Round

FORMAT: Final = 1


@dataclass(slots=True)
class CaseResult:
    """The rounds of one case; ``missing`` says of contestants why they did not take part.

    ``input_bytes`` is 0 where a rate means nothing.
    """

    title: str
    contestants: list[str]
    rounds: list[dict[str, Sample]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    input_bytes: int = 0
    measured_at: str = ""
    revision: str = ""

    @property
    def ours(self) -> str:
        """The contestant that the others are compared with."""
        return self.contestants[0]


@dataclass(slots=True)
class Results:
    """All cases that were measured so far, by name, and the machine they were measured on."""

    machine: dict[str, str] = field(default_factory=dict)
    cases: dict[str, CaseResult] = field(default_factory=dict)

    def rounds(self, case: str) -> list[Round]:
        """The rounds of a case; none when it was not measured."""
        found = self.cases.get(case)
        return [] if found is None else list(found.rounds)


def to_json(results: Results) -> str:
    """The text of a results file."""
    return json.dumps({"format": FORMAT, **asdict(results)}, indent=1, sort_keys=True) + "\n"


def from_json(text: str) -> Results:
    """Read a results file. Raises ValueError for one of another format."""
    raw: dict[str, Any] = json.loads(text)
    if raw.get("format") != FORMAT:
        raise ValueError(f"results of format {raw.get('format')!r}, expected {FORMAT}")
    return Results(raw["machine"], {name: _case(case) for name, case in raw["cases"].items()})


def _case(raw: Mapping[str, Any]) -> CaseResult:
    return CaseResult(
        **{
            **raw,
            "rounds": [
                {name: Sample(**sample) for name, sample in one.items()} for one in raw["rounds"]
            ],
        }
    )


def load(path: Path) -> Results:
    """The results in a file; empty ones when there is none."""
    return from_json(path.read_text(encoding="utf-8")) if path.exists() else Results()


def store(path: Path, results: Results) -> None:
    """Write the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(results), encoding="utf-8")
