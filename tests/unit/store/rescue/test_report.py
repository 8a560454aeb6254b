from __future__ import annotations

import json
from pathlib import Path

from store.rescue.report import LossKind

SCHEMA = Path(__file__).parents[4] / "docs" / "formats" / "json.schema.json"


def test_every_kind_is_in_the_schema_of_the_output() -> None:
    document = json.loads(SCHEMA.read_text("utf-8"))
    kinds = document["$defs"]["loss"]["properties"]["Kind"]["enum"]
    assert kinds == [one.value for one in LossKind]
