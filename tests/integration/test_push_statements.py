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
from tests.support.images import A, B
from tests.support.layouts import MANIFEST, encode
from tests.support.registry_pushes import APP, descriptor, push_image, squeezed

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
    assert len(sent) <= 14, sent
    push_image(registry, (A, squeezed(A)), tags=("2",))
    before = len(sent)
    with counted() as sent:
        push_image(registry, (B, squeezed(B)), (A, squeezed(A)), tags=("3",))
    assert before < len(sent) <= 59, sent
