"""The answers that one transaction gives about repositories and stored bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.event import listen

from exporter.selection.holdings import Holdings
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support.images import A
from tests.support.layouts import MANIFEST
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image

if TYPE_CHECKING:
    from store import Store

BLOB, ABSENT = Digest.of(b"mine"), Digest.of(b"absent")


def test_answers_are_kept_and_asked_for_only_once(store: Store) -> None:
    registry = Registry(store)
    push_blob(registry, b"mine")
    _, manifest = push_image(registry, (A, A))
    every = (BLOB, ABSENT, manifest)
    sent: list[str] = []
    with store.read() as connection:
        listen(connection.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
        holdings = Holdings(connection)
        holdings.look_up([((APP,), every), ((OTHER,), (BLOB,))])
        asked = len(sent)
        assert asked == 1
        assert holdings.held((APP,), every) == {BLOB, manifest}
        assert holdings.held((OTHER,), (BLOB,)) == set()
        assert holdings.held((OTHER, APP), (BLOB,)) == {BLOB}
        assert holdings.media_types((APP,), every) == {manifest: MANIFEST}
        assert len(sent) == asked
        assert holdings.held((OTHER,), (manifest,)) == set()
        assert len(sent) == asked + 1


def test_sources_are_asked_for_only_once(store: Store) -> None:
    push_blob(Registry(store), b"mine")
    sent: list[str] = []
    with store.read() as connection:
        listen(connection.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
        holdings = Holdings(connection)
        assert set(holdings.sources([BLOB, ABSENT])) == {BLOB}
        asked = len(sent)
        assert set(holdings.sources([ABSENT, BLOB])) == {BLOB}
        assert holdings.sources([ABSENT]) == {}
        assert len(sent) == asked
