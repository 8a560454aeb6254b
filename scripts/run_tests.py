"""Run pytest with the given arguments, and a few failed tests once more, alone.

The environment variable STORECTL_AGAIN says how many tests may fail; without it, none. In CI the
tests share two processors with engines and registries. A test that fails there but passes alone has
a fault too, or the program has: the last lines of the output name it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

LAST_FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")
SOME_FAILED: Final = 1
"""pytest's exit code if tests failed; others mean wrong usage, an interruption or its own error."""
_GROUP: Final = re.compile(r"@[\w-]+$")
"""What pytest-xdist appends to the name of a test in a group."""


def main(arguments: list[str]) -> int:
    """Run the tests.

    Args:
        arguments: pytest's arguments.

    Returns:
        The exit code: 0 if every test has passed, some of them perhaps in the second run.
    """
    allowed = int(os.environ.get("STORECTL_AGAIN") or 0)
    if allowed:
        LAST_FAILED.unlink(missing_ok=True)
    status = _pytest(arguments)
    failed = _failed() if status == SOME_FAILED and allowed else []
    if not 0 < len(failed) <= allowed:
        return status
    LAST_FAILED.write_text(json.dumps(dict.fromkeys(failed, True)), encoding="utf-8")
    status = _pytest(["-n0", "--last-failed", "--last-failed-no-failures=none"])
    if not status:
        print("These tests failed beside other tests, and passed alone:", *failed, sep="\n  ")
    return status


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def _failed() -> list[str]:
    if not LAST_FAILED.exists():
        return []
    return [_GROUP.sub("", name) for name in json.loads(LAST_FAILED.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
