from __future__ import annotations

from datetime import timedelta

from store.catalog import references, repositories, serving
from store.catalog.checking import rescued
from store.model.references import Reference
from tests.support.catalog_rows import NOW, Rows, empty_catalog, named

APP = Reference.parse("app:1")
LATER = NOW + timedelta(days=1)


def test_names_keep_their_times() -> None:
    with empty_catalog() as connection:
        rows = Rows(connection)
        key, loose = rows.manifest("m"), rows.manifest("n")
        keys = serving.ensure_repositories(connection, [APP.repository])
        texts = {str(name): number for name, number in keys.items()}
        manifests = {named("m"): key}
        tags = {APP: (named("m"), LATER)}
        rescued.add_tags(connection, tags, manifests, texts, operation="rescue")
        rescued.add_held(connection, [(texts[str(APP.repository)], key, "a/b")])
        rescued.add_kept(connection, {loose: LATER})
        target = references.get(connection, APP)
        assert target is not None
        assert target.digest == named("m")
        held = repositories.by_tag(connection, APP.repository, "1")
        assert held is not None
        assert held.media_type == "a/b"
        for table, column in (("reference", "tagged_at"), ("kept", "at"), ("reference_log", "at")):
            query = f"SELECT {column} FROM {table}"  # noqa: S608 - names of this test
            assert connection.exec_driver_sql(query).scalars().all() == [
                "2026-01-03T03:04:05.000000Z"
            ]
