"""Changes to tags and manifests change the content that repositories may serve."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog import naming, repositories, serving
from store.model.references import Repository
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.model.digests import Digest
    from tests.support.catalog_rows import Rows

APP, OTHER = Repository("docker.io", "team/app"), Repository("docker.io", "team/other")
THIRD = Repository("docker.io", "team/third")


def held(rows: Rows, name: Repository, *names: str) -> set[str]:
    wanted: Iterable[Digest] = (named(one) for one in names)
    found = repositories.held(rows.connection, name, wanted)
    return {one for one in names if named(one) in found}


def test_a_repository_is_inserted_once(rows: Rows) -> None:
    first = serving.ensure_repositories(rows.connection, (APP, OTHER))
    assert serving.ensure_repositories(rows.connection, (OTHER, APP)) == first
    assert len(set(first.values())) == 2


def test_a_served_index_brings_everything_that_it_reaches(rows: Rows) -> None:
    rows.manifest("m", blobs=("layer",))
    index = rows.index("index", ("m", None))
    keys = serving.ensure_repositories(rows.connection, (APP, OTHER))
    serving.serve(rows.connection, [(keys[APP], index)])
    serving.serve(rows.connection, [(keys[APP], index)])
    assert held(rows, APP, "index", "m", "layer") == {"index", "m", "layer"}
    assert held(rows, OTHER, "index", "m", "layer") == set()


def test_a_repository_gives_only_content_that_it_serves_itself(rows: Rows) -> None:
    rows.manifest("secret", blobs=("secret layer", "shared"))
    rows.manifest("mine", blobs=("mine layer", "shared"))
    index = rows.index("index", ("mine", None), ("secret", None))
    keys = serving.ensure_repositories(rows.connection, (APP, OTHER, THIRD))
    for name in ("index", "mine", "mine layer", "shared"):
        serving.hold(rows.connection, keys[APP], rows.known_or_new(name))
    serving.serve(rows.connection, [(keys[OTHER], index)], sources=[keys[APP]])
    every = ("index", "mine", "mine layer", "shared", "secret", "secret layer")
    assert held(rows, OTHER, *every) == set(every[:4])
    serving.serve(rows.connection, [(keys[THIRD], index)], sources=[])
    assert held(rows, THIRD, *every) == {"index"}


def test_repositories_of_a_subject_serve_its_referrer(rows: Rows) -> None:
    subject = rows.manifest("subject")
    referrer = rows.manifest("referrer", subject=subject, blobs=("signature",))
    keys = serving.ensure_repositories(rows.connection, (APP, OTHER))
    serving.serve(rows.connection, [(keys[APP], subject)])
    assert serving.serve_with_subject(rows.connection, referrer)
    assert not serving.serve_with_subject(rows.connection, referrer)
    assert held(rows, APP, "referrer", "signature") == {"referrer", "signature"}
    assert held(rows, OTHER, "referrer") == set()


def test_a_grace_period_is_extended_and_never_removed(rows: Rows) -> None:
    key = serving.ensure_repositories(rows.connection, (APP,))[APP]
    blob = rows.blob("blob")
    early, late = NOW, NOW + timedelta(hours=2)
    serving.hold(rows.connection, key, blob, fresh_at=early)
    assert not repositories.is_fresh(rows.connection, APP, named("blob"), early)
    serving.hold(rows.connection, key, blob, fresh_at=late)
    serving.hold(rows.connection, key, blob)
    assert repositories.is_fresh(rows.connection, APP, named("blob"), early)
    assert not repositories.is_fresh(rows.connection, OTHER, named("blob"), early)


def test_content_that_was_let_go_is_not_served(rows: Rows) -> None:
    key = serving.ensure_repositories(rows.connection, (APP,))[APP]
    blob = rows.blob("blob")
    serving.hold(rows.connection, key, blob)
    assert serving.let_go(rows.connection, key, blob)
    assert not serving.let_go(rows.connection, key, blob)
    assert held(rows, APP, "blob") == set()


def test_a_manifest_is_kept_while_a_repository_serves_it(rows: Rows) -> None:
    key = serving.ensure_repositories(rows.connection, (APP,))[APP]
    manifest = rows.manifest("m")
    naming.keep(rows.connection, manifest, now=NOW)
    serving.hold(rows.connection, key, manifest)
    serving.drop_unheld(rows.connection, manifest)
    assert not naming.keep(rows.connection, manifest, now=NOW)
    serving.let_go(rows.connection, key, manifest)
    serving.drop_unheld(rows.connection, manifest)
    assert naming.keep(rows.connection, manifest, now=NOW)
