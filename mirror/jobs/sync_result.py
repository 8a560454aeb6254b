"""What the program of a scheduled sync reports."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mirror.jobs.program import Ended

MAX_FAILURES: Final = 20
"""How many failed images of a run are reported."""

_MAX_TEXT: Final = 1000
_MOVED: Final = ("pulled", "sent", "removed")


@final
@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a run of the program reports.

    Attributes:
        exit_code: Its exit code, 0 without a failure.
        run: The name of the run in the log of references; empty if it did not come that far.
        counts: The number of images, by what became of them.
        size_bytes: How many bytes were transferred.
        failures: The names of images that failed, and why; `MAX_FAILURES` at most.
        message: Why there is no report; empty if there is one.
        was_stopped: Whether the server has ended the run.
    """

    exit_code: int
    run: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    message: str = ""
    was_stopped: bool = False

    @property
    def images(self) -> int:
        """How many images the run has looked at."""
        return sum(self.counts.values())

    @property
    def moved(self) -> int:
        """How many of them were pulled, sent or untagged."""
        return sum(self.counts.get(name, 0) for name in _MOVED)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self.counts.get("failed", 0)

    @property
    def is_failure(self) -> bool:
        """Whether something failed. What is left for the next run has not failed."""
        return self.exit_code != 0 and not (self.counts.get("left", 0) and not self.failed)

    @classmethod
    def of(cls, ended: Ended) -> Self:
        """Return the report of a program; one without a report has failed.

        Args:
            ended: How the program has ended.
        """
        try:
            (report,) = json.loads(ended.output)
            failed = [
                one
                for one in report["Images"]
                if one["Error"] is not None and one["Status"] != "left"
            ]
            return cls(
                ended.exit_code,
                str(report["Run"] or ""),
                {str(name): int(count) for name, count in report["Counts"].items()},
                int(report["DownloadedBytes"]),
                tuple(
                    (str(one["Name"]), str(one["Error"]["Message"])[:_MAX_TEXT])
                    for one in failed[:MAX_FAILURES]
                ),
                was_stopped=ended.was_stopped,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls(ended.exit_code or 1, message=ended.message, was_stopped=ended.was_stopped)
