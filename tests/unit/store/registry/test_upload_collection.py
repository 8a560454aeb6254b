"""The uploads as a collection sees them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from store import Store
from store.registry.registry import Registry
from store.registry.upload_collection import UploadCollection
from tests.conftest import NOW
from tests.support.registry_pushes import APP

if TYPE_CHECKING:
    from pathlib import Path


def test_idle_uploads_are_measured_and_removed_and_others_stay(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry, collection = Registry(store), UploadCollection(store)
        half = registry.uploads.begin(APP)
        with registry.uploads.resume(APP, half) as upload:
            upload.write(b"half")
        registry.uploads.begin(APP)
        stray = registry.uploads.path("f" * 32)
        stray.write_bytes(b"stray")
        os.utime(stray, (NOW.timestamp(), NOW.timestamp()))
        assert collection.idle() == []
        assert [size for _, size, _ in collection.in_progress()] == [4, 0]
        now = NOW + timedelta(hours=2)
        assert collection.in_progress() == [(str(APP), 4, NOW + timedelta(hours=24))]
        with registry.uploads.resume(APP, half):
            assert sorted(collection.idle()) == [0, 5]
        now = NOW + timedelta(hours=25)
        with registry.uploads.resume(APP, half):
            assert sorted(collection.idle()) == [0, 5], "a request is writing to the upload"
        assert sorted(collection.idle()) == [0, 4, 5]
        assert sorted(collection.remove_idle()) == [0, 4, 5]
        assert collection.idle() == collection.remove_idle() == []
