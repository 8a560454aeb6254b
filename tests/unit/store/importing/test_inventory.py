"""What an import brings, as its report lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Choice, ImportOptions
from store.model.references import Reference
from tests.support.images import A, B, image
from tests.support.layouts import Layout, digest, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.importing.report import Inventory

NAME = Reference.parse("docker.io/team/app:1")


def brought(
    store: Store, path: Path, choice: Choice | None = None, *, dry_run: bool = False
) -> Inventory:
    options = ImportOptions(choice=choice or Choice(), has_inventory=True, dry_run=dry_run)
    found = store.import_archive(path, options).inventory
    assert found is not None
    return found


def test_blobs_are_new_once_and_held_then(store: Store, tmp_path: Path) -> None:
    layout = Layout()
    small = layout.image(gzip(A))
    large = layout.image(gzip(A), gzip(B))
    layout.root(small, "docker.io/team/app:1")
    first = brought(store, layout.folder(tmp_path / "one"))
    assert [str(one.digest) for one in first.manifests] == [small["digest"]]
    assert first.manifests[0].size_bytes == small["size"]
    assert (len(first.new_blobs), first.held_blobs) == (2, ())
    assert (list(first.tags), first.moved_tags) == ([NAME], (NAME,))
    layout.roots.clear()
    layout.root(large, "docker.io/team/app:1")
    moved = brought(store, layout.folder(tmp_path / "two"))
    assert {str(one.digest) for one in moved.held_blobs} == {digest(gzip(A).data)}
    assert moved.moved_tags == (NAME,)
    again = brought(store, tmp_path / "two")
    assert (again.new_blobs, len(again.held_blobs), again.moved_tags) == ((), 3, ())
    assert again.tags == {NAME: moved.manifests[0].digest}


def test_a_dry_run_lists_what_it_would_bring(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "demo.tar"
    path.write_bytes(image(A, B).bytes())
    planned = brought(store, path, dry_run=True)
    assert store.images() == ()
    assert brought(store, path) == planned
    assert planned.manifests[0].digest == store.inspect_manifest("demo:1").summary.digest
    assert len(planned.new_blobs) == 3


def test_referrers_are_no_images_of_their_own(store: Store, tmp_path: Path) -> None:
    layout = Layout()
    index = layout.root(
        layout.index(layout.image(gzip(A)), layout.image(B, platform="linux/arm64")), str(NAME)
    )
    layout.root(layout.artifact(b"signed", subject=index))
    found = brought(store, layout.folder(tmp_path / "layout"), Choice(is_single=True))
    assert [str(one.digest) for one in found.manifests] == [index["digest"]]
    assert list(found.tags) == [NAME]


def test_without_the_option_there_is_none(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "demo.tar"
    path.write_bytes(image(A).bytes())
    assert store.import_archive(path).inventory is None
