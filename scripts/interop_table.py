"""Write docs/interop.md: run every cell of the interop matrix against the real programs. Needs root, and the programs that `.ci/run` installs.

python scripts/interop_table.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "interop.md"


def main() -> None:
    """Run it all."""
    sys.path.insert(0, str(ROOT))
    from tests.support.peers.matrix import Matrix  # noqa: PLC0415 - the path is known now
    from tests.support.peers.report import render  # noqa: PLC0415
    from tests.support.peers.workshop import Workshop  # noqa: PLC0415

    with Workshop() as shop:
        TARGET.write_text(render(Matrix(shop)), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
