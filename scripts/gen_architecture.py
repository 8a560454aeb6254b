"""Write the modules of every room into the table of docs/architecture.md.

A room is a folder with modules. The first two columns, room and purpose, are written by hand; this
program writes the third column, the modules. ``make docs`` runs this program, and a test
fails if a room is missing from the table or a module has moved.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "docs" / "architecture.md"
PACKAGES: Final = ("store", "exporter", "remote", "mirror", "storectl", "migrations")
_ROW: Final = re.compile(
    r"^\| `(?P<room>[a-z_/]+)/` \| (?P<purpose>[^|]+?) \|(?P<modules>[^|]*)\|$", re.MULTILINE
)


def main() -> int:
    """Rewrite the document, and return 1 if a room has no row or a row has no room."""
    text = TARGET.read_text(encoding="utf-8")
    tree, written = rooms(ROOT), {match["room"] for match in _ROW.finditer(text)}
    TARGET.write_text(with_modules(text, tree), encoding="utf-8")
    for room in sorted(tree.keys() - written):
        print(f"{TARGET.name} has no row for {room}/: add a row with its purpose", file=sys.stderr)
    for room in sorted(written - tree.keys()):
        print(f"{TARGET.name} has a row for {room}/, which does not exist", file=sys.stderr)
    return 1 if tree.keys() != written else 0


def rooms(root: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of the modules in every folder of the packages, by folder."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            modules = found.setdefault(path.parent.relative_to(root).as_posix(), [])
            if path.stem != "__init__":
                modules.append(path.stem)
    return {room: tuple(modules) for room, modules in found.items()}


def listed(text: str) -> dict[str, tuple[str, ...]]:
    """Return the modules that the document lists for every room."""
    return {
        match["room"]: tuple(re.findall(r"`([^`]+)`", match["modules"]))
        for match in _ROW.finditer(text)
    }


def with_modules(text: str, tree: dict[str, tuple[str, ...]]) -> str:
    """Return the document with the current modules in every row whose room exists."""

    def row(match: re.Match[str]) -> str:
        if match["room"] not in tree:
            return match[0]
        modules = " ".join(["", ", ".join(f"`{name}`" for name in tree[match["room"]]), ""])
        return f"| `{match['room']}/` | {match['purpose']} |{modules}|"

    return _ROW.sub(row, text)


if __name__ == "__main__":
    raise SystemExit(main())
