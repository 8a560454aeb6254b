"""Fixtures: a store with two images, and a folder with a backup of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.backup.folder_backup import back_up_to_folder
from store.backup.repository import Repository
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


@pytest.fixture
def filled(store: Store) -> Store:
    put_image(store, A, tags=("a:1",))
    put_image(store, A, B, tags=("ab:1",))
    return store


@pytest.fixture
def repository(filled: Store, tmp_path: Path) -> Repository:
    back_up_to_folder(filled, tmp_path / "backups")
    return Repository.open(tmp_path / "backups")
