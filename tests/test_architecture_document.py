"""docs/architecture.md lists every room, module and table, and its drawings are up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import draw_architecture, gen_architecture
from store.db.all_tables import metadata

ROOT = Path(__file__).parents[1]
TEXT = gen_architecture.TARGET.read_text(encoding="utf-8")


def test_the_table_lists_every_room_and_module() -> None:
    assert gen_architecture.listed(TEXT) == gen_architecture.rooms(ROOT), "run `make docs`"


def test_every_table_of_the_database_is_described() -> None:
    section = TEXT[TEXT.index("\n## What is stored") : TEXT.index("\n## The encoding of layers")]
    described = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(described) == sorted(metadata.tables)


@pytest.mark.parametrize("name", sorted(draw_architecture.drawings()))
def test_the_drawings_are_up_to_date(name: str) -> None:
    drawn = (draw_architecture.FOLDER / name).read_text(encoding="utf-8")
    assert drawn == draw_architecture.drawings()[name], "run `make docs`"


def test_a_missing_module_and_a_missing_room_are_noticed() -> None:
    text = "| `a/` | A. | `b` |\n| `gone/` | G. | `c` |\n"
    tree = {"a": ("b", "new"), "other": ("d",)}
    updated = gen_architecture.with_modules(text, tree)
    assert updated == "| `a/` | A. | `b`, `new` |\n| `gone/` | G. | `c` |\n"
    assert gen_architecture.listed(text) != tree
    assert gen_architecture.listed(updated).keys() ^ tree.keys() == {"gone", "other"}
