"""All tables of the catalogue."""

from __future__ import annotations

import subprocess
import sys

from store.db import all_tables, schema, upstream_schema


def test_the_tables_of_every_module_are_there() -> None:
    tables = all_tables.metadata.tables
    assert tables["image"] is schema.image
    assert tables["sync_tag"] is upstream_schema.sync_tag


def test_most_commands_do_without_the_tables_about_other_registries() -> None:
    script = "import sys, store.db.schema; print('store.db.upstream_schema' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
