"""What the program of a scheduled sync reports, and programs that report nothing."""

from __future__ import annotations

import json

from mirror.jobs.program import Ended
from mirror.jobs.sync_result import MAX_FAILURES, SyncResult

REPORT = {
    "Run": "sync-0123456789ab",
    "Counts": {"pulled": 2, "removed": 1, "unchanged": 5, "failed": 1},
    "DownloadedBytes": 1 << 40,
    "Images": [
        {"Name": "a:1", "Status": "failed", "Error": None},
        {"Name": "b:1", "Status": "failed", "Error": {"Message": "cannot read it"}},
    ],
}


def result(report: object, code: int = 0) -> SyncResult:
    return SyncResult.of(Ended(code, json.dumps(report).encode()))


def test_a_report_has_sums_and_failures() -> None:
    found = result([REPORT], 11)
    assert (found.exit_code, found.run) == (11, "sync-0123456789ab")
    assert (found.images, found.moved, found.failed) == (9, 3, 1)
    assert found.size_bytes == 1 << 40
    assert found.failures == (("b:1", "cannot read it"),)
    assert not found.was_stopped
    assert not found.message


def test_few_failures_are_reported() -> None:
    failed = {"Name": "a:1", "Status": "failed", "Error": {"Message": "x" * 2000}}
    found = result([{**REPORT, "Images": [failed] * 30}])
    assert len(found.failures) == MAX_FAILURES
    assert len(found.failures[0][1]) == 1000


def test_a_program_without_a_report_has_failed() -> None:
    found = SyncResult.of(Ended(4, errors=b"no such file\nhint: look\n"))
    assert (found.exit_code, found.message) == (4, "no such file")
    assert (found.images, found.moved, found.failed) == (0, 0, 0)
    # Whatever it prints.
    reports: tuple[object, ...] = ([], {}, [{}], [1], [{"Images": 1}], [REPORT, REPORT])
    for report in reports:
        found = result(report)
        assert (found.exit_code, found.message) == (1, "exit code 0")
    assert SyncResult.of(Ended(0, was_stopped=True)).was_stopped


def test_what_is_left_for_the_next_run_has_not_failed() -> None:
    left = {"Name": "a:1", "Status": "left", "Error": {"Message": "takes 9 more requests"}}
    report = {**REPORT, "Counts": {"pulled": 3, "left": 1}, "Images": [left]}
    found = result([report], 12)
    assert (found.is_failure, found.failures, found.images) == (False, (), 4)
    assert result([{**report, "Counts": {"left": 1, "failed": 1}}], 12).is_failure
    assert result([], 12).is_failure
