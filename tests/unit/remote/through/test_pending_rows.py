"""Pending manifests in the catalogue: another process, and the next one, see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from remote.through import pending_rows
from remote.through.pending_rows import PendingRows
from store import Store
from store.formats.image.manifests import Document
from store.model.references import Reference, Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TEAM = Repository("docker.io", "team/app")
NAME = Reference(TEAM, "1")


def manifests() -> list[Document]:
    layout = Layout()
    return [Document.parse(layout.blobs[layout.image(gzip(one))["digest"]]) for one in (A, B)]


def test_what_was_served_survives_a_restart(tmp_path: Path) -> None:
    one, two = manifests()
    with Store.open(tmp_path, create=True) as store:
        rows = PendingRows(store, lambda: NOW)
        assert rows.of_tag(NAME) is None
        rows.add(TEAM, one, "1", '"etag"')
        rows.add(TEAM, two, None)
    with Store.open(tmp_path) as store:
        rows = PendingRows(store, lambda: NOW)
        assert rows.of_tag(NAME) == (one, NOW)
        first, second = rows.since(TEAM, 0)
        assert (first.document, first.tag) == (one, "1")
        assert (second.document, second.tag) == (two, None)
        assert rows.since(TEAM, first.number) == [second]
        assert rows.since(TEAM, second.number) == []
        with store.write("test") as connection:
            assert rows.etag(connection, NAME, one.digest) == '"etag"'
            assert rows.etag(connection, NAME, two.digest) is None
            rows.remove(connection, TEAM, one.digest)
        assert not rows.holds(TEAM, one.digest)
        assert rows.holds(TEAM, two.digest)


def test_there_is_a_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_rows, "MAX_DOCUMENTS", 1)
    monkeypatch.setattr(pending_rows, "_PUTS_PER_PRUNE", 1)
    one, two = manifests()
    with Store.open(tmp_path, create=True) as store:
        rows = PendingRows(store, lambda: NOW)
        rows.add(TEAM, one, None)
        rows.add(TEAM, two, None)
        assert [loaded.document for loaded in rows.since(TEAM, 0)] == [two]
