"""Generate docs/interop.md and docs/clients.md; every cell is tested with the real programs.

Run ``python scripts/interop_table.py`` as root, with the programs that `.ci/run` installs. With
``--newer``, it writes only the section of docs/clients.md about the newer clients.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ARCHIVES = ROOT / "docs" / "interop.md"
CLIENTS = ROOT / "docs" / "clients.md"


def main() -> None:
    """Test every cell of the tables, and write docs/interop.md and docs/clients.md."""
    sys.path.insert(0, str(ROOT))
    from tests.support.peers import client_report, report  # noqa: PLC0415 - after the path is set
    from tests.support.peers.client_matrix import Clients  # noqa: PLC0415
    from tests.support.peers.matrix import Matrix  # noqa: PLC0415
    from tests.support.peers.workshop import Workshop  # noqa: PLC0415

    if sys.argv[1:] == ["--newer"]:
        with Workshop() as shop, Clients(shop) as clients:
            _write_clients(client_report.render_newer(clients), CLIENTS.read_text("utf-8"))
        return
    with Workshop() as shop:
        ARCHIVES.write_text(report.render(Matrix(shop)), encoding="utf-8")
        print(f"wrote {ARCHIVES.relative_to(ROOT)}")
        with Clients(shop) as clients:
            kept = client_report.newer(CLIENTS.read_text("utf-8"))
            _write_clients(kept, client_report.render(clients))


def _write_clients(newer: str, document: str) -> None:
    """Write docs/clients.md with a section about the newer clients."""
    from tests.support.peers import client_report  # noqa: PLC0415 - after the path is set

    CLIENTS.write_text(client_report.with_newer(document, newer), encoding="utf-8")
    print(f"wrote {CLIENTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
