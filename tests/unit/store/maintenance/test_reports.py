from __future__ import annotations

import subprocess
import sys


def test_imports_and_saves_do_not_load_the_reports_of_maintenance() -> None:
    script = (
        "import sys, store.importing.importer, exporter.save\n"
        "print([name for name in sys.modules if name.startswith('store.maintenance')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
