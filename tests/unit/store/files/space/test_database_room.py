from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import StorageFull
from store.files.space.database_room import LEAST_BYTES, require_room
from store.model.remedies import Remedy
from tests.support.small_disks import full_of_bytes, small_disk

if TYPE_CHECKING:
    from pathlib import Path


def test_a_disk_with_room_and_a_missing_file_pass(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    require_room(tmp_path / "store.db")
    require_room(tmp_path / "nothing")


def test_a_nearly_full_disk_is_refused_with_both_sizes(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        (disk / "store.db").touch()
        full_of_bytes(disk)
        with pytest.raises(StorageFull) as caught:
            require_room(disk / "store.db")
    assert f"0 bytes are free, and the catalogue needs {LEAST_BYTES}" in caught.value.message
    assert caught.value.remedy is Remedy.COLLECT_GARBAGE
