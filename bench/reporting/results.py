"""The results file: measurements as JSON, one line per case.

Cases can be run one by one, on different days. The file holds the latest result of each case.
"""

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
    """The results of one case.

    Attributes:
        title: A description of the case in one line.
        contestants: The names of the contestants; the first is storectl.
        rounds: The samples of each round, by contestant.
        missing: The reason for each contestant that did not take part, by contestant.
        input_bytes: The size of the input, from which rates are computed; 0 if there is no rate.
        measured_at: The date of the measurement, such as ``2025-06-01``.
        revision: The commit that was measured.
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
        """The contestant with which the other contestants are compared."""
        return self.contestants[0]


@dataclass(slots=True)
class Results:
    """The results of all measured cases, by name, and a description of the machine."""

    machine: dict[str, str] = field(default_factory=dict)
    cases: dict[str, CaseResult] = field(default_factory=dict)

    def rounds(self, case: str) -> list[Round]:
        """Return the rounds of a case, or an empty list if it was not measured."""
        found = self.cases.get(case)
        return [] if found is None else list(found.rounds)


def to_json(results: Results) -> str:
    """Return the text of a results file.

    Each case has one line, so a new measurement of a case changes one line of the committed file.
    """
    cases = ",\n".join(
        f"{_compact(name)}: {_compact(asdict(case))}"
        for name, case in sorted(results.cases.items())
    )
    machine = json.dumps(results.machine)
    return f'{{"format": {FORMAT},\n"machine": {machine},\n"cases": {{\n{cases}\n}}}}\n'


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> Results:
    """Read the text of a results file.

    Raises:
        ValueError: The text is not JSON, or its format number is not `FORMAT`.
    """
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
    """Return the results in a file, or empty results if there is no file."""
    return from_json(path.read_text(encoding="utf-8")) if path.exists() else Results()


def store(path: Path, results: Results) -> None:
    """Write the results to a file, and create the file's folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(results), encoding="utf-8")
