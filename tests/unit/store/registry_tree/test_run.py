"""The import of a registry's files: what is sound is imported, what is broken is reported."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from store import Choice, ImportOptions, Limits, Platform, Reference
from store.catalog import references
from store.errors import ImageNotFound, InvalidInput, NameTaken
from store.model.digests import Digest
from store.model.progress import Silent
from store.registry_tree import run
from store.registry_tree.disk import Tree
from store.registry_tree.findings import Finding, Kind
from store.registry_tree.run import TreeImport, TreeOptions
from store.registry_tree.selection import Wanted
from tests.support.images import A, B, E, layer
from tests.support.layouts import Layout, gzip, plain, zstd
from tests.support.registry_trees import write

if TYPE_CHECKING:
    from store import Store
    from store.importing.report import ImportReport
    from tests.support.registry_trees import RegistryFiles

C = layer("c.txt", b"gamma\n")


def take(
    files: RegistryFiles, store: Store, options: TreeOptions | None = None
) -> tuple[list[ImportReport], list[Finding]]:
    with Tree(files.folder) as tree:
        work = TreeImport(tree, options or TreeOptions(), Silent())
        return list(work.run(store)), work.findings.found


def chosen(**choice: Any) -> TreeOptions:  # noqa: ANN401 - any field
    return TreeOptions(importing=ImportOptions(choice=Choice(**choice)))


def names(store: Store) -> list[str]:
    return [name.familiar for name in store.names("", 100)]


def whole(files: RegistryFiles) -> tuple[Layout, dict[str, dict[str, Any]]]:
    layout = Layout()
    images = [
        layout.image(gzip(A), zstd(B), platform="linux/amd64"),
        layout.image(gzip(A), plain(C), platform="linux/arm64"),
    ]
    index = layout.index(*images, layout.attestation(images[0]))
    signature = layout.artifact(b"signed", subject=index)
    cosign = layout.artifact(b"cosign")
    tag = f"{index['digest'].replace(':', '-')}.sig"
    untagged = layout.image(gzip(E))
    files.push(layout, "team/app", one=index, latest=index, **{tag: cosign})
    found = {"index": index, "amd": images[0], "arm": images[1], "signature": signature}
    return layout, found | {"cosign": cosign, "untagged": untagged}


def test_everything_is_imported_byte_for_byte(files: RegistryFiles, store: Store) -> None:
    layout, found = whole(files)
    reports, findings = take(files, store)
    assert findings == []
    assert len(reports) == 1
    assert [one for one in names(store) if "sha256" not in one] == [
        "team/app:latest",
        "team/app:one",
    ]
    for digest, data in layout.blobs.items():
        if b"schemaVersion" in data:
            assert store.document(Digest.parse(digest)) == data
    with store.read() as connection:
        for one in found.values():
            assert references.is_manifest(connection, Digest.parse(one["digest"]))
    assert take(files, store)[0][0].changed is False


def test_a_broken_image_is_left_out_and_its_index_stays(files: RegistryFiles, store: Store) -> None:
    layout, found = whole(files)
    gone = json.loads(layout.blobs[found["arm"]["digest"]])["layers"][1]["digest"]
    files.blob(gone).unlink()
    reports, findings = take(files, store)
    assert [(one.kind, str(one.digest)) for one in findings] == [(Kind.MISSING_BLOB, gone)]
    assert sorted(findings[0].tags) == ["latest", "one"]
    assert "team/app:one" in names(store)
    assert reports[0].new_images == 2


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_wrong_bytes_are_found_and_stop_no_other_image(
    files: RegistryFiles, store: Store, *, is_dry_run: bool
) -> None:
    layout, found = whole(files)
    wrong = json.loads(layout.blobs[found["amd"]["digest"]])["layers"][0]["digest"]
    data = files.blob(wrong).read_bytes()
    files.blob(wrong).write_bytes(bytes(reversed(data)))
    files.push(Layout(blobs=layout.blobs), "team/copy", one=found["untagged"])
    files.blob(wrong).write_bytes(bytes(reversed(data)))
    with Tree(files.folder) as tree:
        work = TreeImport(tree, TreeOptions(), Silent())
        if is_dry_run:
            images = [names for _, names in work.check()]
            assert ("docker.io/team/copy:one",) in images
            assert names(store) == []
        else:
            list(work.run(store))
            assert names(store)[-1] == "team/copy:one"
    kinds = {(one.kind, one.repository, one.digest) for one in work.findings.found}
    assert kinds == {
        (Kind.WRONG_DIGEST, name, Digest.parse(wrong)) for name in ("team/app", "team/copy")
    }


def test_an_image_that_cannot_be_imported_is_reported(files: RegistryFiles, store: Store) -> None:
    layout = Layout()
    good = layout.image(gzip(A))
    bad = layout.image(gzip(layer("big", bytes(100_000))))
    files.push(layout, "app", good=good, bad=bad)
    options = TreeOptions(importing=ImportOptions(limits=Limits(layer_bytes=50_000)))
    _, findings = take(files, store, options)
    assert names(store) == ["app:good"]
    assert [(one.kind, one.tags) for one in findings] == [(Kind.INVALID_MANIFEST, ("bad",))]


def test_a_config_with_wrong_bytes_is_found(files: RegistryFiles, store: Store) -> None:
    layout = Layout()
    good, bad = layout.image(gzip(A)), layout.image(gzip(B))
    files.push(layout, "app", good=good, bad=bad)
    config = json.loads(layout.blobs[bad["digest"]])["config"]["digest"]
    files.blob(config).write_bytes(files.blob(config).read_bytes().replace(b"linux", b"Linux"))
    _, findings = take(files, store)
    assert names(store) == ["app:good"]
    assert [(one.kind, one.tags) for one in findings] == [(Kind.WRONG_DIGEST, ("bad",))]


def test_a_large_repository_is_imported_in_several_transactions(
    files: RegistryFiles, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout()
    images = {f"t{number}": layout.image(gzip(layer("x", b"%d" % number))) for number in range(5)}
    files.push(layout, "app", **images)
    monkeypatch.setattr(run, "_BATCH_ROOTS", 2)
    reports, findings = take(files, store)
    assert (len(reports), findings, len(names(store))) == (3, [], 5)


def test_a_part_is_chosen(files: RegistryFiles, store: Store) -> None:
    whole(files)
    other = Layout()
    files.push(other, "other", one=other.image(gzip(C)))
    take(files, store, TreeOptions(wanted=Wanted("other")))
    assert names(store) == ["other:one"]
    take(files, store, replace(chosen(images=("team/*:latest",)), prefix="r.example"))
    assert "r.example/team/app:latest" in names(store)
    assert "r.example/team/app:one" not in names(store)
    wanted = TreeOptions(
        wanted=Wanted("other", "one"),
        importing=ImportOptions(choice=Choice(tag=Reference.parse("mine:2"))),
    )
    take(files, store, wanted)
    assert "mine:2" in names(store)


def test_images_for_a_platform_are_chosen(files: RegistryFiles, store: Store) -> None:
    _, found = whole(files)
    take(files, store, chosen(platforms=(Platform.parse("linux/arm64"),)))
    with store.read() as connection:
        have = {
            name: references.is_manifest(connection, Digest.parse(one["digest"]))
            for name, one in found.items()
        }
    assert (have["index"], have["arm"], have["amd"], have["untagged"]) == (True, True, False, False)


@pytest.mark.parametrize(
    "options",
    [
        TreeOptions(wanted=Wanted("absent")),
        TreeOptions(wanted=Wanted("team/app", "absent")),
        chosen(images=("absent/**",)),
        chosen(platforms=(Platform.parse("windows/amd64"),)),
    ],
    ids=["repository", "tag", "pattern", "platform"],
)
def test_nothing_to_import_is_an_error(
    files: RegistryFiles, store: Store, options: TreeOptions
) -> None:
    layout = Layout()
    files.push(layout, "team/app", one=layout.image(gzip(A)))
    with pytest.raises(ImageNotFound):
        take(files, store, options)
    assert names(store) == []


def test_one_name_needs_one_image_and_tags_are_kept(files: RegistryFiles, store: Store) -> None:
    layout = Layout()
    files.push(layout, "app", one=layout.image(gzip(A)))
    with pytest.raises(InvalidInput, match="one name"):
        take(files, store, chosen(tag=Reference.parse("x:1")))
    take(files, store, chosen(no_tags=True))
    assert names(store) == []
    take(files, store)
    changed = Layout()
    files.push(changed, "app", one=changed.image(gzip(B)))
    with pytest.raises(NameTaken):
        take(files, store, TreeOptions(importing=ImportOptions(clobber=False)))


@pytest.mark.parametrize("is_in_database", [False, True])
def test_names_of_a_registry_with_a_database_may_be_old(
    files: RegistryFiles, store: Store, *, is_in_database: bool
) -> None:
    """GitLab leaves the files of the time before its database, and marks the storage."""
    layout = Layout()
    files.push(layout, "group/project/app", one=layout.image(gzip(A)))
    if is_in_database:
        write(files.root.parent / "lockfiles/database-in-use", b"")
    _, findings = take(files, store)
    assert [(one.kind, one.is_loss) for one in findings] == (
        [(Kind.OLD_NAMES, False)] if is_in_database else []
    )
    assert names(store) == ["group/project/app:one"]
