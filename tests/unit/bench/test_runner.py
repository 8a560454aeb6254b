from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench import model, runner
from bench.missing import MissingError
from bench.model import Case, Sample
from bench.runner import rotated

if TYPE_CHECKING:
    from collections.abc import Callable


class Contestant:
    """A contestant that logs the calls of its methods."""

    def __init__(
        self, name: str, log: list[str], run: Callable[[], Sample] = lambda: Sample(1, 1)
    ) -> None:
        self.name = name
        self._log = log
        self._run = run

    def prepare(self) -> None:
        self._log.append(f"prepare {self.name}")

    def run(self) -> Sample:
        self._log.append(f"run {self.name}")
        return self._run()

    def clean(self) -> None:
        self._log.append(f"clean {self.name}")


def shop() -> Any:  # noqa: ANN401 - only one method of a workshop is called
    return SimpleNamespace(settle=lambda: None)


def missing() -> Sample:
    raise MissingError("not installed")


def broken() -> Sample:
    raise ZeroDivisionError


def test_each_contestant_runs_in_each_round_and_cleans_up() -> None:
    log: list[str] = []
    case = Case("case", "a case", lambda _shop: [Contestant("a", log), Contestant("b", log)])
    result = runner.run(case, shop(), 2)
    assert [sorted(one) for one in result.rounds] == [["a", "b"], ["a", "b"]]
    assert [line for line in log if line.startswith("run")] == ["run a", "run b", "run b", "run a"]
    assert sum(line.startswith("clean") for line in log) == 4


def test_a_missing_contestant_is_noted_once_and_not_run_again() -> None:
    log: list[str] = []
    case = Case(
        "case", "a case", lambda _shop: [Contestant("a", log), Contestant("b", log, missing)]
    )
    result = runner.run(case, shop(), 3)
    assert result.missing == {"b": "not installed"}
    assert [list(one) for one in result.rounds] == [["a"]] * 3
    assert log.count("run b") == 1


def test_a_failure_ends_the_case_and_is_cleaned_up_after() -> None:
    log: list[str] = []
    with pytest.raises(ZeroDivisionError):
        runner.run(Case("case", "a case", lambda _shop: [Contestant("a", log, broken)]), shop(), 3)
    assert log == ["prepare a", "run a", "clean a"]


def test_one_round_is_run_after_the_time_is_up() -> None:
    result = runner.run(
        Case("case", "a case", lambda _shop: [Contestant("a", [])]), shop(), 5, until_s=0
    )
    assert len(result.rounds) == 1


def test_each_round_begins_with_another_contestant() -> None:
    contestants: list[model.Contestant] = [Contestant(name, []) for name in "abc"]
    orders = ["".join(one.name for one in rotated(contestants, turn)) for turn in range(4)]
    assert orders == ["abc", "bca", "cab", "abc"]
