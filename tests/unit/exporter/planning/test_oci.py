from __future__ import annotations

from exporter.planning import oci
from exporter.planning.plan import EntryType
from store.model.digests import Digest
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.saved_graphs import document, entry, graph_of


def test_entries_are_folders_then_blobs_then_files() -> None:
    layout = Layout()
    graph = graph_of(
        layout, (layout.image(gzip(A), algorithm="sha512"), ("app:1",)), (layout.image(B), ())
    )
    plan = oci.plan(graph)
    paths = [one.path for one in plan.entries]
    folders = [one.path for one in plan.entries if one.type is EntryType.DIRECTORY]
    assert folders == ["blobs/", "blobs/sha256/", "blobs/sha512/"]
    assert paths[-2:] == ["index.json", "oci-layout"]
    assert paths[:-2] == sorted(paths[:-2])
    assert {
        path.removeprefix("blobs/").replace("/", ":") for path in paths[:-2] if path not in folders
    } == set(layout.blobs)
    assert plan.size_bytes == 1024 + sum(one.archived_bytes for one in plan.entries)
    assert {one.mtime_s for one in plan.entries} == {0}
    assert plan.owner == ""


def test_content_made_for_the_archive_is_in_the_archive() -> None:
    layout = Layout()
    made = Digest.of(b"made")
    plan = oci.plan(graph_of(layout, (layout.image(A), ()), made={made: (b"made", 4)}))
    assert (
        entry(plan, f"blobs/sha256/{made.hex}").source,
        entry(plan, f"blobs/sha256/{made.hex}").size_bytes,
    ) == (b"made", 4)


def test_a_tag_of_two_repositories_is_written_with_its_repository() -> None:
    layout = Layout()
    graph = graph_of(layout, (layout.image(A), ("app:1", "app:2")), (layout.image(B), ("other:1",)))
    refs = [
        one["annotations"]["org.opencontainers.image.ref.name"]
        for one in document(oci.plan(graph), "index.json")["manifests"]
    ]
    assert refs == ["docker.io/library/app:1", "2", "docker.io/library/other:1"]
