from __future__ import annotations

from store.maintenance.reports import Finding, Severity
from storectl.commands import _findings
from storectl.output.exit_codes import ExitCode

DAMAGED = Finding(Severity.ERROR, "damaged", "f", "rotten", ("x:1",), hint="import it")
UNREADABLE = Finding(Severity.ERROR, "unreadable", "f", "EIO")
ORPHAN = Finding(Severity.WARNING, "orphan", "f", "belongs to nothing")


def test_a_finding_is_a_line_and_an_object() -> None:
    assert _findings.line_of(DAMAGED) == "error: rotten [affects x:1]"
    assert _findings.line_of(ORPHAN) == "warning: belongs to nothing"
    assert _findings.as_json(DAMAGED)["Hint"] == "import it"
    assert _findings.as_json(ORPHAN)["Hint"] is None


def test_the_exit_code_is_that_of_the_errors() -> None:
    assert _findings.errors_of([DAMAGED, ORPHAN]) == [DAMAGED]
    assert _findings.exit_code([]) is ExitCode.OK
    assert _findings.exit_code([UNREADABLE]) is ExitCode.UNAVAILABLE
    assert _findings.exit_code([UNREADABLE, DAMAGED]) is ExitCode.CORRUPT


def test_output_keeps_the_findings_and_their_exit_code() -> None:
    output = _findings.Output()
    assert output.exit_code == 0
    with output:
        output.add(ORPHAN)
        output.add(UNREADABLE)
    assert (output.findings, output.errors) == ([ORPHAN, UNREADABLE], [UNREADABLE])
    assert output.exit_code is ExitCode.UNAVAILABLE
