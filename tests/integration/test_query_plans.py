"""Every statement finds its rows by an index.

A statement that reads a whole table is named here, with the reason.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import exporter
from exporter.options import Format, SaveOptions
from exporter.save import names_version
from store import ImageFilter, Store, catalog
from store.catalog import (
    content,
    encodings,
    events,
    foreign_layers,
    images,
    manifests,
    references,
    repositories,
)
from store.catalog.checking import losses, marks, raw_rows, rebuild, verification
from store.catalog.collection import garbage, grace, history, reachability
from store.catalog.documents import put_documents
from store.catalog.events import Event
from store.catalog.in_progress import pushes, uploads
from store.catalog.lists import recorded_rows, repository_lists, tag_changes
from store.catalog.upstream import budgets, pending, pulled, sync_runs, synced_tags, tag_lists
from store.catalog.upstream import tags as upstream_tags
from store.db.changes import Position
from store.db.sqlite.engine import DATABASE
from store.db.types import ContentKey
from store.formats.distribution.names import BY_ID
from store.maintenance.reports import Finding, Severity
from store.model.contents import ContentState, DiffState
from store.model.digests import DiffID, Digest, ImageID
from store.model.limits import MIB, ArchiveLimits
from store.model.platforms import DEFAULT, PlatformChoice
from store.model.progress import Silent
from store.model.references import Reference
from store.registry.registry import Registry
from store.repair.rows import Rows
from store.repair.run import Repair, RepairOptions, Source
from storectl import cli
from tests.conftest import NOW
from tests.support.checked_stores import encodings_of
from tests.support.images import A, B, image
from tests.support.layouts import EMPTY, INDEX, MANIFEST, Layout, encode, foreign, gzip, plain
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image, squeezed
from tests.support.sql_statements import Statements, recorded

if TYPE_CHECKING:
    from sqlalchemy import Connection

MARK: Final = "gc marks: what lives is found from every root, and what does not live is the rest"
CHECK: Final = "fsck checks every row"
SCRUB: Final = "a scrub looks through all content for what was not checked for longest"
SUM: Final = "df sums up the whole store"
RUNNING: Final = "as many rows as there are running operations"

REASONS: Final = {
    "audit.unproven": CHECK,
    "raw_rows.kept_and_named": CHECK,
    "raw_rows.stored_bytes": CHECK,
    "raw_rows.wrong_states": CHECK,
    "garbage.dead_contents": MARK,
    "garbage.dead_images": MARK,
    "garbage.dead_layers": MARK,
    "condemned.next_condemned": (
        "the next few of them in their order: a walk along the key that a limit ends"
    ),
    "leases.operation_ids": RUNNING,
    "reachability.dangling_manifests": MARK,
    "reachability.dead_manifests": MARK,
    "reachability.unreached_in_repositories": MARK,
    "pulled.pulled": "gc with limits looks at every tag that was pulled through",
    "events.events": (
        "without --since or --until every event is asked for, in the order of its number"
    ),
    "events.remove_old_events": "a walk along the key, back to the oldest event that is kept",
    "references.images_of_indexes": SUM,
    "verification.unverified_images": (
        "a page of them, when a server starts or its queue was full, and when others have stored"
    ),
    "scrub.due": SCRUB,
    "scrub.amount": SCRUB,
    "scrub.checked": SUM,
    "scrub.last_full_pass": "at most 100 passes are kept",
    "stored_files.stored_files": "a backup copies every file",
    "stored_files.newest_files": "the newest few: a walk along the key that a limit ends",
    "stored_files.number_of_images": "a backup counts the images once",
    "image_list.every_total_size": "the list of all images",
    "layers.unverified": "the list of all images",
    "losses.stored_twice": CHECK,
    "rebuild.all_images": "a repair writes the layers of all images again, if a layer is wrong",
    "usage.files": SUM,
    "usage.images": SUM,
    "usage.layer_sizes": SUM,
    "usage.shared_bytes": SUM,
    "grace.has_operations": RUNNING,
    "uploads.sessions": "as many rows as there are uploads in progress",
    "uploads.count": "as many rows as there are uploads in progress",
}
"""Functions of the catalogue that read a table from end to end, each with the reason."""

IN_ORDER: Final = (
    "image_list.positions",
    "repository_lists.tags",
    "repository_lists.repositories",
    "references.get",
    "references.beginning_with",
)
"""Functions that return a page of a long list: the index has to give the rows in the list's order.
"""


def call_every_verb(root: Path, folder: Path) -> None:
    """Call every verb that sends a statement."""
    docker, loose, layout_tar = folder / "docker.tar", folder / "loose.tar", folder / "layout.tar"
    docker.write_bytes(image(A, B, tags=("demo:1", "demo:2", "team/app:1")).bytes())
    loose.write_bytes(image(B, tags=(), os="plan9").bytes())
    layout = Layout()
    one = layout.image(plain(A), gzip(B), annotations={"made": "today"})
    index = layout.index(
        one, layout.absent(), layout.image(B, platform="linux/arm64"), annotations={"x": "y"}
    )
    layout.root(index, "docker.io/team/many:1")
    layout.root(
        layout.image(
            A,
            foreign(plain(b"far away"), "https://example.org/layer"),
            config={"config": {"Labels": {"stage": "prod"}}},
        ),
        "docker.io/team/far:1",
    )
    layout.root(layout.artifact(b"signature", subject=index))
    layout.root(layout.artifact(b"sbom"), "docker.io/team/sbom:1")
    layout_tar.write_bytes(layout.tar())
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        for path in (docker, loose, layout_tar, docker):
            store.import_archive(path)
        image_id = next(iter(store.images(ImageFilter(references=("demo:1",))))).image_id
        for filters in (
            ImageFilter(),
            ImageFilter(references=("team/*",), labels=("stage=prod", "stage")),
            ImageFilter(before="demo:1", since="demo:1", dangling=False, include_intermediate=True),
            ImageFilter(limit=1),
            ImageFilter(limit=1, after="demo:1"),
            ImageFilter(after=str(store.manifests()[0].digest)),
        ):
            store.images(filters)
            store.manifests(filters)
        store.inspect(str(image_id), PlatformChoice((DEFAULT,)))
        store.tree(ImageFilter())
        for format_ in Format:
            digest = str(store.inspect("demo:1").manifests[0].digest)
            known = ("demo:1", "demo", digest, str(image_id), image_id.digest.short)
            for names in ((name,) for name in known):
                with exporter.open_save(
                    store,
                    names,
                    options=SaveOptions(format=format_, referrers=format_ is Format.OCI),
                    ceilings=ArchiveLimits(),
                ) as export:
                    assert export.size_bytes
        restricted = SaveOptions(format=Format.OCI, may_read=lambda _repository: True)
        with exporter.open_save(store, (str(image_id),), options=restricted) as export:
            assert export.size_bytes
        assert names_version(store) > (0, 0, 0)
        use_the_registry(store)
        list(store.events(since=NOW, until=NOW, actions=["import"], targets=[str(image_id)]))
        store.record_reads([Event(NOW, "save", str(image_id))], "anonymous")
        with store.write() as connection:
            events.remove_old_reads(connection, reader="anonymous", keep=0)
            history.remove_old(connection, before=NOW, keep=1)
        list(store.fsck())
        lose_and_repair(store, folder)
        store.collect(dry_run=True, dangling=True)
        repair_damage(store, image_id)
    for words in (
        "tag demo:1 demo:3",
        "tag team/many:1 team/more:1",
        f"tag {image_id.digest.short} team/by-id:1",
        "untag demo:2",
        "history demo:1",
        "inspect demo:1 team/sbom:1",
        "events",
        "df -v",
        "fsck",
        "scrub",
        "scrub",
        f"backup {folder / 'backups'}",
        f"fsck --repair --from {folder / 'docker.tar'}",
        "log demo:2",
        "log demo",
        "log --limit 1 demo:2",
        "rollback demo:2",
        "rollback --dry-run --steps 2 demo:2",
        "rollback --all-tags --to 0s demo",
        "tag --as-of 0s demo:1 team/as-of:1",
        f"rm --force demo:3 team/by-id:1 {image_id.digest.short}",
        "rm team/many:1 team/more:1 team/sbom:1",
        "rollback team/many:1",
        "rollback team/many:1",
        "rm team/app:1",
        "gc --dangling --undo-for 1h",
        "gc --dangling",
        "images",
    ):
        assert cli.run(["--root", str(root), *words.split()]) in (0, 3), words
    cli.run(["--root", str(root), "prune", "-f"])


def lose_and_repair(store: Store, folder: Path) -> None:
    """Send the statements of a repair that brings back some content and removes the rest."""
    with store.read() as connection:
        digests = rebuild.all_images(connection)
    digests += [digest for one in store.images() for digest in one.manifests]
    digests += [stored for _, stored in encodings_of(store)]
    tables = ("layer", "image", "manifest", "encoding")
    findings = [
        Finding(Severity.ERROR, "wrong", "", "", digest=digest, table=table)
        for digest in digests
        for table in tables
    ]
    assert Rows(store, findings).rebuild()
    with pytest.raises(_EnoughError), store.write() as connection:
        rebuild.set_size(connection, digests[0], 1)
        key = content.ensure(connection, digests[0], None, ContentState.ABSENT)
        rebuild.ensure_chain(connection, [(DiffID(digests[0]), key)] * 2)
        other = content.ensure(connection, digests[1], None, ContentState.ABSENT)
        rebuild.ensure_chain(connection, [(DiffID(digests[0]), other)] * 2)
        raise _EnoughError
    for number, digest in enumerate(map(store.blobs.digest, list(store.blobs.locations()))):
        if number % 2:
            store.blobs.path(digest).unlink()
    source = Source("docker.tar", folder / "docker.tar")
    repair = Repair(store, RepairOptions((source,), drop=True, dry_run=True), Silent())
    list(repair.run())
    assert repair.report.removed
    sources = [Source(path.name, path) for path in folder.glob("*.tar")]
    repair = Repair(store, RepairOptions(sources), Silent())
    list(repair.run())
    assert repair.report.lost == []


def repair_damage(store: Store, image_id: ImageID) -> None:
    """Send the statements about damage and about very old archives."""
    far = next(iter(store.images(ImageFilter(references=("team/far:1",)))))
    with pytest.raises(_EnoughError), store.write() as connection:
        keys = {one: images.key_of(connection, one) for one in (image_id, far.image_id)}
        images.set_parent(connection, *(key for key in keys.values() if key is not None))
        foreign_layers.is_foreign(connection, ContentKey(1))
        marks.mark_damaged(connection, image_id.digest)
        marks.clear_damage(connection, image_id.digest)
        losses.clear(connection, (image_id.digest,))
        losses.own_manifests(connection, far.manifests)
        marks.mark_damaged(connection, image_id.digest)
        content.forget_file(connection, image_id.digest)
        put_documents(connection, {image_id.digest: b"again"})
        for one in encodings_of(store):
            encodings.note_check(connection, *one, seekable=False)
            encodings.forget(connection, *one)
        raw_rows.affected(connection, str(image_id.digest))
        raw_rows.digest_of(connection, 1)
        content.has_blob_row(connection, image_id.digest)
        content.has_sound_file(connection, image_id.digest)
        references.holds(connection, APP, far.manifests[0])
        everything = Position(9**9, 9**9)
        recorded_rows.page(connection, Position(), everything, max_rows=9**6, max_bytes=MIB)
        verification.unverified_images(connection, limit=9)
        verification.has_unverified(connection, ContentKey(1))
        known, described = manifests.key_of(connection, far.manifests[0]), keys[far.image_id]
        assert known is not None
        reachability.unreached_below(connection, known)
        verification.set_manifest_states(connection, {known: DiffState.MISMATCH})
        again = manifests.NewManifest(
            known, "manifest", MANIFEST, "", described, None, (), verified=True
        )
        manifests.add(connection, [again])
        repositories.unheld(connection, (image_id.digest,))
        uploads.count(connection)
        repositories.image_holders(connection, image_id.digest)
        repositories.holders_of_all(connection, (image_id.digest,))
        # Prepared look-ups go directly to the driver, and the recorder does not see them.
        repositories.held_blob(connection, APP, image_id.digest)
        repositories.is_fresh(connection, APP, image_id.digest, NOW)
        repositories.is_quiet(connection, APP, NOW)
        pushes.is_recorded(connection, image_id.digest)
        garbage.layers_of(connection, [ContentKey(1)])
        use_upstreams(connection, image_id)
        use_syncs(connection, image_id)
        tag_changes.of_run(connection, "sync-0123456789ab")
        grace.protections(connection, [key for key in keys.values() if key is not None])
        uploads.get(connection, "0" * 32)
        raise _EnoughError


def use_syncs(connection: Connection, image_id: ImageID) -> None:
    """Send the statements about syncs and their runs."""
    synced = synced_tags.SyncedName(str(APP), "1")
    row = synced_tags.SyncedTag(str(APP), image_id.digest, "", "", None, NOW, 0)
    synced_tags.put(connection, "test", {synced: row})
    assert synced_tags.of_sync(connection, "test") == {synced: row}
    assert not synced_tags.is_kept_by_others(connection, "test", synced)
    budget = budgets.AnnouncedBudget("docker.io", 9, 100, NOW, NOW)
    budgets.put(connection, budget)
    assert budgets.get(connection, "docker.io") == budget
    run = sync_runs.SyncRun("test", "", NOW, NOW, None, 0, 0, 0, 0, 0, 0)
    sync_runs.put(connection, run)
    assert sync_runs.last_runs(connection, ["test"]) == {"test": run}


def use_upstreams(connection: Connection, image_id: ImageID) -> None:
    """Send the statements about tags that were pulled through."""
    for name in (APP, OTHER):
        seen = upstream_tags.UpstreamTag(image_id.digest, "", NOW)
        upstream_tags.put(connection, Reference(name, "1"), seen)
        assert upstream_tags.get(connection, Reference(name, "1")) == seen
    repository_lists.platforms_beside(connection, APP, image_id.digest, limit=9)
    row = pending.PendingManifest(image_id.digest, "", b"", "1", "", NOW)
    number = pending.put(connection, APP, row)
    pending.put(connection, APP, row._replace(tag=None))
    assert len(pending.since(connection, APP, 0)) == 1
    assert pending.of_tag(connection, Reference(APP, "1")) is not None
    pending.prune(connection, number + 1, most=0, max_bytes=0, before=NOW)
    pending.remove(connection, APP, image_id.digest)
    number = tag_lists.put(connection, APP, tag_lists.TagList(("1",), NOW))
    assert tag_lists.get(connection, APP) is not None
    tag_lists.prune(connection, number, most=0, max_bytes=0)
    pulled.pulled(connection)
    pulled.sizes(connection, [ContentKey(1)])


class _EnoughError(Exception):
    """An exception that rolls back a transaction."""


def use_the_registry(store: Store) -> None:
    """Push, pull, list, mount and delete through the registry's interface."""
    registry = Registry(store)
    push_image(registry, (A, squeezed(A)), tags=("1", "2"))
    image_id, digest = push_image(registry, (B, squeezed(B)), tags=("3",))
    store.verify_image(image_id)
    served = registry.manifest(APP, "1")
    registry.manifest(APP, digest)
    (loose,) = store.images(ImageFilter(dangling=True))
    registry.manifest(BY_ID, loose.manifests[0])
    about = {"mediaType": served.media_type, "digest": str(served.digest), "size": len(served.data)}
    push_blob(registry, b"{}")
    empty = {"mediaType": EMPTY, "digest": str(Digest.of(b"{}")), "size": 2}
    referrer = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "a/b",
            "config": empty,
            "layers": [],
            "subject": about,
            "annotations": {"x": "y"},
        }
    )
    pushed = registry.put_manifest(APP, referrer, media_type=MANIFEST, digest=None, tags=())
    assert registry.referrers(APP, served.digest, artifact_type="a/b", after="", limit=10)
    registry.referrers(APP, served.digest, artifact_type=None, after=str(pushed.digest), limit=10)
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [about]})
    listing = {"mediaType": INDEX, "digest": str(Digest.of(index)), "size": len(index)}
    nested = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listing]})
    for document in (index, nested):
        registry.put_manifest(APP, document, media_type=INDEX, digest=None, tags=())
    untyped = encode({"schemaVersion": 2, "config": empty, "layers": []})
    pushed = registry.put_manifest(APP, untyped, media_type=MANIFEST, digest=None, tags=())
    assert registry.manifest(APP, pushed.digest).media_type == MANIFEST
    registry.tags(APP, after="1", limit=1)
    registry.tags(APP)
    registry.encoded_tags(APP, ("1", "2"), "gzip")
    registry.repositories(after="", limit=10)
    registry.repositories(after="a", limit=10, domain="docker.io")
    registry.repositories(after="a", limit=10, outside="docker.io")
    blob = Digest.of(squeezed(A))
    registry.renew(APP, blob)
    assert registry.holders(blob)
    assert registry.mount(OTHER, blob, lambda _repository: True)
    registry.blob(OTHER, blob)
    registry.delete_blob(OTHER, blob)
    registry.put_manifest(
        APP,
        served.data,
        media_type=served.media_type,
        digest=None,
        tags=("2-gzip",),
        offered_for=Reference(APP, "2", served.digest),
    )
    assert not registry.is_taken(APP, "2-gzip")
    registry.delete_tag(APP, "2")
    assert registry.tags(APP, after="2") == ["3"]
    registry.delete_manifest(APP, digest)
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"half")
    registry.uploads.offset(APP, upload_id)
    registry.uploads.expire()
    registry.uploads.cancel(APP, upload_id)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Statements, Path]:
    folder = tmp_path_factory.mktemp("plans")
    with recorded() as statements:
        call_every_verb(folder / "store", folder)
    return statements, folder / "store" / DATABASE


def test_every_statement_finds_its_rows_by_an_index(sent: tuple[Statements, Path]) -> None:
    walks = {walk.sender: walk for walk in sent[0].walks(sent[1])}
    unexplained = [walks[sender] for sender in sorted(walks.keys() - REASONS.keys())]
    assert unexplained == []
    assert sorted(REASONS.keys() - walks.keys()) == [], "no reason is needed any more"


def test_pages_come_in_the_order_of_an_index(sent: tuple[Statements, Path]) -> None:
    assert [
        (sender, step)
        for sender in IN_ORDER
        for step in sent[0].steps(sender, sent[1])
        if "TEMP B-TREE" in step
    ] == []


def test_the_changes_of_a_run_are_found_by_their_index(sent: tuple[Statements, Path]) -> None:
    steps = sent[0].steps("tag_changes.of_run", sent[1])
    (step,) = (step for step in steps if "reference_log" in step)
    assert "USING INDEX ix_reference_log_run (operation>? AND operation<?)" in step


def test_a_table_scan_is_noticed(sent: tuple[Statements, Path]) -> None:
    naive = Statements(
        {"naive.tag": {"SELECT one.id FROM reference AS one WHERE one.tag = ?": ("latest",)}}
    )
    assert [(walk.sender, walk.table) for walk in naive.walks(sent[1])] == [
        ("naive.tag", "reference")
    ]


def test_every_function_with_a_statement_is_called(sent: tuple[Statements, Path]) -> None:
    assert sorted(read_functions() - sent[0].functions) == []


def read_functions() -> set[str]:
    """Return the functions of the catalogue that execute a statement themselves."""
    found = set()
    for path in Path(catalog.__path__[0]).rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and "connection.execute(" in ast.unparse(node):
                found.add(f"{path.stem}.{node.name}")
    return found
