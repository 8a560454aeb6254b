"""Findings have a ceiling, and count losses."""

from __future__ import annotations

import pytest

from store.registry_tree.findings import Finding, Findings, Kind


def test_findings_beyond_the_ceiling_are_counted() -> None:
    findings = Findings(2)
    for number in range(5):
        findings.add(Finding(Kind.MISSING_BLOB, "app", str(number), "absent"))
    assert [one.subject for one in findings.found] == ["0", "1"]
    assert (findings.losses, findings.dropped) == (5, 3)


@pytest.mark.parametrize("kind", list(Kind))
def test_only_links_without_content_that_matters_are_harmless(kind: Kind) -> None:
    findings = Findings(1)
    findings.add(Finding(kind, "app", "x", "text"))
    harmless = kind in {Kind.DEAD_LAYER_LINK, Kind.UNLINKED_MANIFEST, Kind.OLD_NAMES}
    assert findings.losses == (not harmless)
