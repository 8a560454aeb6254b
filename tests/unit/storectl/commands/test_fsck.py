"""`fsck`: the findings, the hints and the exit code of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import StoreBusy
from store.maintenance.reports import Finding, Severity
from store.queries.usage import UsageRow
from tests.support.fake_shell import PRESENT, FakeStore, Shell, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_findings_are_listed_and_errors_set_exit_code_5(shell: Shell, fake: FakeStore) -> None:
    rotten = Finding(
        Severity.ERROR,
        "damaged",
        str(PRESENT),
        "rotten\x1b",
        ("x:1", "y:1"),
        hint="import it again",
    )
    orphan = Finding(Severity.WARNING, "orphan", "f", "belongs to nothing")
    fake.answers["fsck"] = iter([rotten, orphan, rotten])
    assert shell("fsck", code=5).splitlines() == [
        "error: rotten\\x1b [affects x:1, y:1]",
        "warning: belongs to nothing",
        "error: rotten\\x1b [affects x:1, y:1]",
        "3 finding(s), including 2 error(s)",
    ]
    assert shell.err == "hint: import it again\n"
    fake.answers["fsck"] = iter([orphan])
    assert shell("verify", "-q").splitlines()[-1] == "1 finding(s), including 0 error(s)"
    fake.answers["fsck"] = iter([rotten])
    fake.answers["totals"] = (UsageRow("Blobs", 2, 2, 300, 0),)
    shown = as_json(shell("fsck", "--json", code=5))
    assert shown["Checked"] == {"Blobs": {"TotalCount": 2, "Size": 300}}
    assert shown["Findings"] == [
        {
            "Severity": "error",
            "Kind": "damaged",
            "Subject": str(PRESENT),
            "Message": "rotten\x1b",
            "Images": ["x:1", "y:1"],
            "Hint": "import it again",
        }
    ]
    fake.answers["fsck"] = iter([])
    assert shell("fsck") == "clean: every digest, layer, chain and reference is sound\n"


def test_content_that_cannot_be_read_sets_exit_code_10(shell: Shell, fake: FakeStore) -> None:
    unread = Finding(Severity.ERROR, "unreadable", "f", "cannot be read: EIO", hint="again")
    damaged = Finding(Severity.ERROR, "damaged", "f", "rotten")
    fake.answers["fsck"] = iter([unread, unread])
    assert shell("fsck", code=10).splitlines()[-1] == "2 finding(s), including 2 error(s)"
    fake.answers["fsck"] = iter([unread, damaged])
    shell("fsck", code=5)


def test_each_finding_is_printed_before_the_check_goes_on(shell: Shell, fake: FakeStore) -> None:
    def findings() -> Iterator[Finding]:
        yield Finding(Severity.ERROR, "damaged", "f", "rotten")
        raise StoreBusy("another process holds the lock")

    fake.answers["fsck"] = findings()
    assert shell("fsck", code=10) == "error: rotten\n"
