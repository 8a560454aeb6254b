"""Draw docs/images/tour.svg, the picture in the README, from the output of real commands.

Run this program in a checkout, with the environment's Python:
``.venv/bin/python scripts/draw_tour.py``.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS = 100
COMMANDS = (
    "storectl import spec-many.tar parent-and-tags.tar",
    "storectl images",
    "storectl save -o saved.tar spec-many",
    "sha256sum spec-many.tar saved.tar",
    "storectl fsck",
)
ARCHIVES = {"spec-many.tar": "multi-layer.tar", "parent-and-tags.tar": "parent-and-tags.tar"}


def main() -> int:
    """Run the commands in a temporary folder, and draw the terminal."""
    with tempfile.TemporaryDirectory() as folder:
        for name, golden in ARCHIVES.items():
            (Path(folder) / name).write_bytes((ROOT / "tests" / "golden" / golden).read_bytes())
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "STORECTL_ROOT": str(Path(folder) / "store"),
            "COLUMNS": str(COLUMNS),
        }
        screen = Console(record=True, width=COLUMNS, file=io.StringIO())
        for command in COMMANDS:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            )
            screen.print(Text("$ ", style="bold green") + Text(command, style="bold"))
            if done.stdout:
                screen.print(Text(done.stdout.rstrip()))
    picture = screen.export_svg(title="storectl", unique_id="tour")
    # Remove the fonts of another host: any monospaced font will do.
    target = ROOT / "docs" / "images" / "tour.svg"
    target.parent.mkdir(exist_ok=True)
    target.write_text(
        re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL), encoding="utf-8"
    )
    print(target.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
