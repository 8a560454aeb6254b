"""How many statements a push needs: each costs more than SQLite's work for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from store import Store
from store.model.digests import Digest
from store.registry.registry import Registry
from store.workspace.workspace import utc_now
from tests.support.layouts import MANIFEST, encode
from tests.support.registry_pushes import (
    APP,
    descriptor,
    image_manifest,
    push_blob,
    squeezed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with the real clock: files newer than their rows would be hashed."""
    return Store.open(tmp_path / "clocked", create=True, clock=utc_now)


_TRANSACTIONS = ("BEGIN", "PRAGMA", "COMMIT")
"""How the statements begin that are not counted."""


@contextmanager
def counted() -> Iterator[list[str]]:
    """Record the statements that are sent to the database, without those of transactions."""
    sent: list[str] = []

    def note(*arguments: object) -> None:
        statement = str(arguments[2])
        if not statement.startswith(_TRANSACTIONS):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def push(registry: Registry, data: bytes) -> None:
    """Push a blob as clients do: one request begins the upload, another one ends it."""
    identifier = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, identifier) as upload:
        upload.write(data)
        upload.finish(Digest.of(data))


def test_a_small_blob_takes_six_statements(store: Store) -> None:
    registry = Registry(store)
    push(registry, b"first")
    with counted() as sent:
        push(registry, b"second")
    assert len(sent) == 6, "\n".join(sent)
    with counted() as sent:
        push(registry, b"second")
    assert len(sent) <= 17, sent


def test_a_manifest_takes_few_statements(store: Store) -> None:
    registry = Registry(store)
    push(registry, b"{}")
    push(registry, b"layer")
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/x",
            "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(b"layer", "application/y")],
        }
    )
    with counted() as sent:
        registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=("1",))
    assert len(sent) <= 11, sent


def test_a_blob_in_one_request_takes_four_statements(store: Store) -> None:
    registry = Registry(store)
    push_blob(registry, b"first")
    with counted() as sent:
        push_blob(registry, b"second")
    # Two look-ups of one statement come before.
    assert len(sent) <= 4, sent


def test_an_image_takes_as_many_statements_as_one_with_more_layers(store: Store) -> None:
    registry = Registry(store)
    blobs = [(bytes([number]) * 9, squeezed(bytes([number]) * 9)) for number in range(40)]
    counts = []
    for tag, count in (("1", 3), ("2", 40)):
        config, manifest = image_manifest(*blobs[:count])
        for data in (config, *(blob for _, blob in blobs)):
            push_blob(registry, data)
        with counted() as sent:
            registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=(tag,))
        counts.append(len(sent))
        assert len(sent) <= 13, sent
    assert counts[0] == counts[1]
