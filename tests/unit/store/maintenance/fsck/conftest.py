"""A store with one image of two layers, and its check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import ImageID, Store


@pytest.fixture
def image_id(store: Store) -> ImageID:
    return put_image(store, A, B, tags=("x:1",))
