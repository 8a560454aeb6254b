"""Tags are set, moved and removed; some manifests are kept without a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from store.catalog import naming, references
from store.db.schema import kept, reference_log, repository_content
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def kept_manifests(rows: Rows) -> set[int]:
    return set(rows.connection.execute(select(kept.c.manifest_id)).scalars())


def log(rows: Rows) -> list[Any]:
    query = select(reference_log.c.tag, reference_log.c.old, reference_log.c.new)
    return [tuple(row) for row in rows.connection.execute(query.order_by(reference_log.c.id))]


def test_a_moved_tag_leaves_its_old_manifest_kept(rows: Rows) -> None:
    old, new = rows.manifest("old"), rows.manifest("new")
    name = rows.tag("demo:1", old)
    rows.tag("demo:1", new)
    found = references.get(rows.connection, name)
    assert found is not None
    assert found.manifest == new
    assert kept_manifests(rows) == {old}
    assert log(rows) == [("1", None, named("old")), ("1", named("old"), named("new"))]


def test_a_manifest_with_another_tag_is_not_kept(rows: Rows) -> None:
    old = rows.manifest("old")
    rows.tag("demo:1", old)
    rows.tag("demo:2", old)
    rows.tag("demo:1", rows.manifest("new"))
    assert kept_manifests(rows) == set()


def test_a_tag_that_points_there_already_changes_nothing(rows: Rows) -> None:
    manifest = rows.manifest("m")
    rows.tag("demo:1", manifest)
    rows.tag("demo:1", manifest)
    assert len(log(rows)) == 1


def test_a_kept_manifest_that_gets_a_tag_is_not_kept_any_more(rows: Rows) -> None:
    manifest = rows.manifest("m")
    assert naming.keep(rows.connection, manifest, now=NOW)
    assert not naming.keep(rows.connection, manifest, now=NOW)
    rows.tag("demo:1", manifest)
    assert kept_manifests(rows) == set()
    assert not naming.keep(rows.connection, manifest, now=NOW)


def test_a_repository_serves_what_its_tag_reaches_unless_the_caller_decides(rows: Rows) -> None:
    rows.tag("demo:1", rows.manifest("one", blobs=("a",)))
    rows.tag("demo:2", rows.manifest("two", blobs=("b",)), served=True)
    served = set(rows.connection.execute(select(repository_content.c.content_id)).scalars())
    assert served == {rows.content("one"), rows.content("a")}


def test_a_removed_tag_is_logged_and_its_manifest_stays(rows: Rows) -> None:
    manifest = rows.manifest("m")
    name = rows.tag("demo:1", manifest)
    other = rows.tag("team/demo:1", manifest)
    target = references.get(rows.connection, name)
    assert target is not None
    naming.remove_tag(rows.connection, target, now=NOW, operation="untag")
    assert references.get(rows.connection, name) is None
    assert references.get(rows.connection, other) is not None
    assert log(rows)[-1] == ("1", named("m"), None)


def test_only_manifests_without_a_tag_are_dropped(rows: Rows) -> None:
    tagged, loose = rows.manifest("tagged"), rows.manifest("loose")
    rows.tag("demo:1", tagged)
    rows.tag("demo:2", loose)
    rows.tag("demo:2", tagged)
    naming.drop(rows.connection, [tagged, loose])
    assert kept_manifests(rows) == set()
    served = set(rows.connection.execute(select(repository_content.c.content_id)).scalars())
    assert served == {tagged}
