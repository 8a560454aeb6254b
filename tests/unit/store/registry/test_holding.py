from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.errors import (
    ContentNotFound,
)
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.registry_pushes import (
    APP,
    OTHER,
    push_blob,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mount_needs_a_repository_that_the_client_may_read(registry: Registry) -> None:
    digest = push_blob(registry, b"mine")
    assert not registry.mount(OTHER, digest, lambda _source: False)
    with pytest.raises(ContentNotFound):
        registry.blob(OTHER, digest)
    assert registry.mount(OTHER, digest, lambda source: source == APP)
    assert registry.blob(OTHER, digest).size_bytes == 4
    assert not registry.mount(OTHER, Digest.of(b"nowhere"), lambda _source: True)


def test_blobs_without_a_manifest_have_a_day_of_grace(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        asked, forgotten = push_blob(registry, b"asked for"), push_blob(registry, b"forgotten")
        now = NOW + timedelta(hours=23)
        assert store.collect().blobs == ()
        registry.renew(APP, asked)
        registry.renew(APP, Digest.of(b"not here"))
        now = NOW + timedelta(hours=25)
        assert store.collect().blobs == (forgotten,)
        assert registry.blob(APP, asked).size_bytes == 9
        now = NOW + timedelta(hours=48)
        assert store.collect().blobs == (asked,)
