from __future__ import annotations

from store.db.faults import Fault, FaultKind


def test_a_fault_need_not_name_a_row() -> None:
    fault = Fault(FaultKind.LOG, "the log is damaged")
    assert (fault.table, fault.row) == (None, None)


def test_kinds_are_words_of_findings() -> None:
    assert {kind.value for kind in FaultKind} == {
        "damaged-log",
        "damaged-catalogue",
        "wrong-schema",
        "broken-link",
        "senseless-row",
        "unreadable",
    }
