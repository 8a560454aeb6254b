from __future__ import annotations

import subprocess
import sys


def test_a_list_does_not_import_the_answers_to_other_questions() -> None:
    """`storectl images` must start fast, so it must not load modules that it does not use."""
    script = (
        "import sys, store.queries.lists\n"
        "print([name for name in sys.modules if name.startswith('store.') and any(part in name"
        " for part in ('details', 'usage', 'importing', 'maintenance', 'registry'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
