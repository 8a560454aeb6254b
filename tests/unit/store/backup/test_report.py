from __future__ import annotations

import json
from pathlib import Path

from store.backup.report import Fault, FaultKind

SCHEMA = Path(__file__).parents[4] / "docs" / "formats" / "json.schema.json"


def test_every_kind_is_in_the_schema_of_the_output() -> None:
    document = json.loads(SCHEMA.read_text("utf-8"))
    kinds = document["$defs"]["fault"]["properties"]["Kind"]["enum"]
    assert kinds == [one.value for one in FaultKind]


def test_a_fault_of_a_store_has_no_generations() -> None:
    assert Fault(FaultKind.MISSING, "x", "y").generations == ()
