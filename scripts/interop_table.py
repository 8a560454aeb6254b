"""Generator of docs/interop.md and docs/clients.md: runs every cell with the real programs.

It needs root, and the programs that `.ci/run` installs.

python scripts/interop_table.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ARCHIVES = ROOT / "docs" / "interop.md"
CLIENTS = ROOT / "docs" / "clients.md"


def main() -> None:
    """Run every cell, and write both documents."""
    sys.path.insert(0, str(ROOT))
    from tests.support.peers import client_report, report  # noqa: PLC0415 - after the path is set
    from tests.support.peers.client_matrix import Clients  # noqa: PLC0415
    from tests.support.peers.matrix import Matrix  # noqa: PLC0415
    from tests.support.peers.workshop import Workshop  # noqa: PLC0415

    with Workshop() as shop:
        ARCHIVES.write_text(report.render(Matrix(shop)), encoding="utf-8")
        print(f"wrote {ARCHIVES.relative_to(ROOT)}")
        with Clients(shop) as clients:
            CLIENTS.write_text(client_report.render(clients), encoding="utf-8")
        print(f"wrote {CLIENTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
