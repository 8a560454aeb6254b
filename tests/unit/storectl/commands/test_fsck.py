"""`fsck`: the findings, the hints and the exit code of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import SchemaMismatch, StoreBusy
from store.maintenance.fsck import database
from store.maintenance.reports import Finding, Severity
from storectl.settings import Settings
from tests.support.fake_shell import PRESENT, FakeStore, Shell, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.maintenance.fsck.verdicts import Checked


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """Return the findings about the catalogue itself, which a test may fill."""
    findings: list[Finding] = []
    monkeypatch.setattr(database, "catalogue_findings", lambda _root: iter(findings))
    return findings


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


def test_json_tells_how_much_was_checked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    rotten = Finding(Severity.ERROR, "damaged", "f", "rotten", digest=PRESENT, table="content")

    def fsck(_bars: object, checked: Checked, **_: object) -> Iterator[Finding]:
        checked.add("Blobs", 2, 300)
        checked.add("References", 7)
        yield rotten
        yield rotten

    monkeypatch.setattr(FakeStore, "fsck", staticmethod(fsck), raising=False)
    text = shell("fsck", "--json", code=5)
    shown = as_json(text)
    assert shown["Checked"] == {
        "Blobs": {"TotalCount": 2, "Size": 300},
        "References": {"TotalCount": 7},
    }
    assert shown["Complete"] is True
    assert [one["Digest"] for one in shown["Findings"]] == [str(PRESENT)] * 2
    assert [one["Table"] for one in shown["Findings"]] == ["content"] * 2
    assert text.count("\n") == 3, "each finding is a line of its own, written when it is found"


def test_json_of_a_check_that_did_not_reach_its_end_says_so(shell: Shell, fake: FakeStore) -> None:
    def findings(finding: Finding | None) -> Iterator[Finding]:
        if finding is not None:
            yield finding
        raise StoreBusy("another process holds the lock")

    fake.answers["fsck"] = findings(Finding(Severity.ERROR, "damaged", "f", "rotten"))
    shown = as_json(shell("fsck", "--json", code=10))
    assert (len(shown["Findings"]), shown["Complete"]) == (1, False)
    fake.answers["fsck"] = findings(None)
    assert shell("fsck", "--json", code=10) == ""
    fake.answers["fsck"] = iter([])
    assert as_json(shell("fsck", "--json")) == {"Findings": [], "Checked": {}, "Complete": True}


def test_a_damaged_catalogue_is_only_read(
    shell: Shell, fake: FakeStore, catalogue: list[Finding]
) -> None:
    catalogue.append(Finding(Severity.ERROR, "damaged-log", "store.db", "the log is damaged"))
    fake.answers["fsck"] = iter([])
    assert shell("fsck", code=5).splitlines()[0] == "error: the log is damaged"
    assert fake.asked[-1][2] == {"with_catalogue": False}
    catalogue.clear()
    shell("fsck")


def test_a_damaged_catalogue_that_cannot_be_opened_is_damage(
    shell: Shell, catalogue: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **options: object) -> None:
        assert options["read_only"] is bool(catalogue)
        raise SchemaMismatch("the revision is 0008")

    monkeypatch.setattr(Settings, "open", refuse)
    shell("fsck", code=10)
    catalogue.append(Finding(Severity.ERROR, "damaged-catalogue", "store.db", "malformed"))
    assert shell("fsck", code=5).splitlines()[1] == (
        "error: nothing else can be checked: the revision is 0008"
    )


def test_a_store_with_other_tables_is_not_checked_further(
    shell: Shell, catalogue: list[Finding]
) -> None:
    catalogue.append(Finding(Severity.ERROR, "wrong-schema", "store.db", "lacks a column"))
    assert shell("fsck", code=5).splitlines()[1:] == ["1 finding(s), including 1 error(s)"]
