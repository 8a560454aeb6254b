"""Write units that report a change before it is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store
from tests.support.images import A
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_a_change_is_reported_and_a_lease_or_a_failed_unit_is_not(tmp_path: Path) -> None:
    reported: list[str] = []
    with Store.open(
        tmp_path / "store", create=True, on_change=lambda: reported.append("change")
    ) as store:
        assert reported == []
        put_image(store, A, tags=("x:1",))
        assert reported
        reported.clear()
        with store.leased("save", []):
            pass
        assert reported == []
        with pytest.raises(RuntimeError), store.write():
            raise RuntimeError
        assert reported == []
        store.tag("x:1", "y:1")
        assert reported == ["change"]
