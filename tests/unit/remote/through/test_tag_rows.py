from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from remote.through.memory import SeenTag, SeenTags
from remote.through.tag_rows import TagListRows, TagRows
from store import Store
from store.model.digests import Digest
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NAME = Reference.parse("docker.io/team/app:1")


def test_what_was_seen_of_a_tag_survives_a_restart(tmp_path: Path) -> None:
    first = SeenTag(Digest.of(b"a"), '"etag"', NOW)
    later = SeenTag(Digest.of(b"b", "sha512"), "", NOW + timedelta(minutes=1))
    with Store.open(tmp_path, create=True) as store:
        memory = TagRows(store)
        assert memory.get(NAME) is None
        memory.put(NAME, first)
        assert memory.get(NAME) == first
        assert memory.get(Reference.parse("docker.io/team/app:2")) is None
        memory.put(NAME, later)
    with Store.open(tmp_path) as store:
        assert TagRows(store).get(NAME) == later


def test_a_tag_that_something_else_has_set_is_not_claimed(tmp_path: Path) -> None:
    old, new = (SeenTag(Digest.of(one), "", NOW) for one in (b"a", b"b"))
    with Store.open(tmp_path, create=True) as store:
        memory = TagRows(store)
        with store.write("test") as connection:
            assert not memory.claim(connection, NAME, new, old.digest)
            assert memory.claim(connection, NAME, old, None)
            assert memory.claim(connection, NAME, new, old.digest)
            assert not memory.claim(connection, NAME, old, old.digest)
        assert memory.get(NAME) == new


def test_lists_survive_a_restart_and_stay_within_ceilings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote.through.tag_rows.MAX_LISTS", 1)
    monkeypatch.setattr("remote.through.tag_rows._PUTS_PER_PRUNE", 1)
    other = Repository("docker.io", "team/other")
    seen = SeenTags(("1", "2"), NOW)
    with Store.open(tmp_path, create=True) as store:
        memory = TagListRows(store)
        assert memory.get(other) is None
        memory.put(other, seen)
        memory.put(NAME.repository, seen)
        assert memory.get(other) is None
    with Store.open(tmp_path) as store:
        memory = TagListRows(store)
        assert memory.get(NAME.repository) == seen
        memory.put(NAME.repository, SeenTags((), NOW))
        assert memory.get(NAME.repository) is None
