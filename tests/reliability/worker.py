"""A process behind the fault layer; it prints one line of JSON for each operation.

`campaign.py` starts it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.reliability import matrix, power_cuts, warm_statements
from tests.reliability.children import in_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reliability.operation import Operation

PARTS: Final[
    dict[
        str,
        Callable[[Operation, Path, int | None], matrix.Figures | power_cuts.CutFigures],
    ]
] = {"matrix": matrix.try_operation, "cuts": power_cuts.try_operation}


def main(part: str, memory: str, limit: str, *names: str) -> None:
    """Do one part of a run for some operations.

    Args:
        part: A name in `PARTS`.
        memory: A folder for the stores.
        limit: The most points of each operation; 0 for all.
        names: The names of the operations; none for all.
    """
    warm_statements.share()
    with tempfile.TemporaryDirectory(dir=memory, prefix="storectl-") as name:
        folder = Path(name)
        matrix.prepare_folder(folder)
        for operation in matrix.chosen(names):
            began = time.monotonic()

            def work(_: Callable[[str], None], operation: Operation = operation) -> dict[str, Any]:
                return asdict(PARTS[part](operation, folder, int(limit) or None))

            # In a process of its own, which the operation may fill with what it likes.
            ended = in_child(work, folder / "worker", limit_s=None)
            assert ended.code == 0, ended.said
            line = {
                "part": part,
                "operation": operation.name,
                "seconds": round(time.monotonic() - began, 1),
                **ended.result,
            }
            print(json.dumps(line), flush=True)  # noqa: T201 - the result


if __name__ == "__main__":
    main(*sys.argv[1:])
