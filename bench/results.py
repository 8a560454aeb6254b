"""The results file: measurements as JSON, one line per case.

Cases can be run one by one, on different days; the file holds the latest result of each.
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
    """The rounds of one case.

    ``missing`` maps a contestant that did not take part to the reason; ``input_bytes`` is 0 where
    a rate means nothing.
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
        """The contestant that the other contestants are compared with."""
        return self.contestants[0]


@dataclass(slots=True)
class Results:
    """All measured cases, by name, and the machine of the measurement."""

    machine: dict[str, str] = field(default_factory=dict)
    cases: dict[str, CaseResult] = field(default_factory=dict)

    def rounds(self, case: str) -> list[Round]:
        """Return the rounds of a case, or an empty list if it was not measured."""
        found = self.cases.get(case)
        return [] if found is None else list(found.rounds)


def to_json(results: Results) -> str:
    """Return the text of a results file.

    Each case is one line: a new measurement of one case changes one line of the committed file.
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
        ValueError: The file has another format.
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
    """Return the results in a file, or empty results if the file does not exist."""
    return from_json(path.read_text(encoding="utf-8")) if path.exists() else Results()


def store(path: Path, results: Results) -> None:
    """Write the results to a file; its folder is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(results), encoding="utf-8")
