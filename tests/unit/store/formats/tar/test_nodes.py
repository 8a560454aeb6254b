"""The table that maps a folder and a name to a node of the tree."""

from __future__ import annotations

import pytest

from store.errors import TooLarge
from store.formats.tar.nodes import NOTHING, ROOT, Nodes

FILE, FOLDER = 0, 1


def nodes(text_bytes: int = 1 << 20) -> Nodes:
    return Nodes(text_bytes, root=FOLDER)


def test_a_node_is_found_by_folder_and_name() -> None:
    table = nodes()
    folder = table.put(ROOT, b"d", FOLDER)
    node = table.put(folder, b"f", FILE, link=b"target", size=5, offset=512)
    assert table.find(ROOT, b"d") == folder
    assert table.find(folder, b"f") == node
    assert table.find(ROOT, b"f") == NOTHING
    assert (table.folder(node), table.name(node), table.link(node)) == (folder, b"f", b"target")
    assert (table.kind(node), table.size(node), table.offset(node)) == (FILE, 5, 512)
    assert (table.folder(ROOT), table.name(ROOT), table.kind(ROOT)) == (NOTHING, b"", FOLDER)


def test_a_new_node_hides_the_old_one_of_its_name_and_keeps_it_readable() -> None:
    table = nodes()
    old = table.put(ROOT, b"f", FILE, size=1)
    new = table.put(ROOT, b"f", FILE, size=2)
    assert table.find(ROOT, b"f") == new != old
    assert table.size(old) == 1
    assert len(table) == 3


def test_a_node_that_is_put_over_another_keeps_its_number() -> None:
    table = nodes()
    node = table.put(ROOT, b"f", FILE, link=b"long target", size=1)
    assert table.put(ROOT, b"f", FOLDER, link=b"t", size=2, offset=3, over=node) == node
    assert (table.kind(node), table.link(node), table.size(node)) == (FOLDER, b"t", 2)
    assert table.put(ROOT, b"f", FILE, over=node) == node
    assert (table.name(node), table.link(node)) == (b"f", b"")
    assert table.find(ROOT, b"f") == node
    assert len(table) == 2


def test_all_nodes_are_found_after_the_table_has_grown() -> None:
    table = nodes()
    replaced = table.put(ROOT, b"0", FILE)
    numbers = {name: table.put(ROOT, b"%d" % name, FILE, size=name) for name in range(1000)}
    assert all(table.find(ROOT, b"%d" % name) == node for name, node in numbers.items())
    assert replaced not in numbers.values()
    assert table.find(ROOT, b"1000") == NOTHING


def test_names_and_link_targets_have_a_ceiling_together() -> None:
    table = nodes(10)
    node = table.put(ROOT, b"12345", FILE, link=b"123")
    # Replaced text stays in memory and is counted.
    with pytest.raises(TooLarge) as caught:
        table.put(ROOT, b"12345", FILE, link=b"123", over=node)
    assert caught.value.limit == 10
    table.put(ROOT, b"12", FILE)
