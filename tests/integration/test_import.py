"""Accepted and refused archives; a refused archive changes nothing.

The tests follow docs/formats/docker-archive.md §6, §7 and §10.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from typing import TYPE_CHECKING

import pytest
import zstandard

from store import DiffID, Digest, ImageID, Store, errors
from tests.support.docker_vectors import V5_IMAGE_ID, V5_JSON, V6_IMAGE_ID, V6_JSON
from tests.support.images import A, Archive, B, E, config, digest, image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.importing.report import ImportReport

    TakeIn = Callable[[bytes], ImportReport]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstd],
    ids=["plain", "gzip", "bzip2", "xz", "zstd"],
)
def test_outer_compression_is_undone(
    import_bytes: TakeIn, compress: Callable[[bytes], bytes]
) -> None:
    assert import_bytes(compress(image(A, B).bytes())).lines == ("Loaded image: demo:1",)


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, bz2.compress, lzma.compress, zstd],
    ids=["gzip", "bzip2", "xz", "zstd"],
)
def test_compressed_layers_inside_are_decoded(
    import_bytes: TakeIn,
    compress: Callable[[bytes], bytes],
    store: Store,
    save: Callable[..., bytes],
) -> None:
    archive = (
        Archive()
        .file("l", compress(A))
        .file("c", config(A))
        .manifest({"Config": "c", "RepoTags": ["demo:1"], "Layers": ["l"]})
    )
    import_bytes(archive.bytes())
    assert A in save("demo:1")
    assert not list(store.fsck())


@pytest.mark.parametrize("hard", [False, True], ids=["symlink", "hard link"])
@pytest.mark.parametrize("first", [False, True], ids=["after", "before"])
def test_linked_layers_are_followed(import_bytes: TakeIn, *, hard: bool, first: bool) -> None:
    archive = Archive()
    if first:
        archive.link("x/layer.tar", "real/layer.tar" if hard else "../real/layer.tar", hard=hard)
    archive.file("real/layer.tar", A)
    if not first:
        archive.link("x/layer.tar", "real/layer.tar" if hard else "../real/layer.tar", hard=hard)
    archive.file("c", config(A)).manifest(
        {"Config": "c", "RepoTags": None, "Layers": ["x/layer.tar"]}
    )
    assert import_bytes(archive.bytes()).new_layers == 1


def test_links_never_leave_the_archive(import_bytes: TakeIn, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(A)
    archive = (
        Archive()
        .link("l", str(tmp_path / "outside"))
        .file("c", config(A))
        .manifest({"Config": "c", "RepoTags": None, "Layers": ["l"]})
    )
    with pytest.raises(errors.MissingLayers):
        import_bytes(archive.bytes())


@pytest.mark.parametrize("layer", [b"", E], ids=["zero bytes", "end blocks only"])
def test_empty_layers_are_layers(
    import_bytes: TakeIn, layer: bytes, save: Callable[..., bytes]
) -> None:
    import_bytes(image(A, layer, layer).bytes())
    assert save("demo:1").count(b"symlink") >= 0


def test_a_known_layer_may_be_missing_under_another_chain(import_bytes: TakeIn) -> None:
    import_bytes(image(A).bytes())
    thin = (
        Archive()
        .file("b", B)
        .file("c", config(B, A))
        .manifest({"Config": "c", "RepoTags": ["thin:1"], "Layers": ["b", "gone/layer.tar"]})
    )
    report = import_bytes(thin.bytes())
    assert report.new_layers == 1
    assert report.new_images == 1


def test_missing_layers_are_all_listed(import_bytes: TakeIn, store: Store) -> None:
    archive = (
        Archive()
        .file("c", config(A, B))
        .manifest({"Config": "c", "RepoTags": ["demo:1"], "Layers": ["x", "y"]})
    )
    with pytest.raises(errors.MissingLayers) as caught:
        import_bytes(archive.bytes())
    assert [(name, position, str(diff)) for name, position, diff in caught.value.missing] == [
        ("demo:1", 0, digest(A)),
        ("demo:1", 1, digest(B)),
    ]
    assert not store.images()


def test_one_bad_image_refuses_the_whole_archive(import_bytes: TakeIn, store: Store) -> None:
    archive = (
        Archive()
        .file("a", A)
        .file("b", B)
        .file("good", config(A))
        .file("bad", config(A, B))
        .manifest(
            {"Config": "good", "RepoTags": ["good:1"], "Layers": ["a"]},
            {"Config": "bad", "RepoTags": ["bad:1"], "Layers": ["a", "a"]},
        )
    )
    with pytest.raises(errors.DigestMismatch) as caught:
        import_bytes(archive.bytes())
    assert str(caught.value.want) == digest(B)
    assert str(caught.value.got) == digest(A)
    assert not store.images()
    assert not list(store.blobs.digests())
    assert not list((store.root / "staging").iterdir())


def test_moved_tag_prints_dockers_line_and_moves_back(import_bytes: TakeIn, store: Store) -> None:
    first = image(A).bytes()
    import_bytes(first)
    old = store.images()[0].image_id
    report = import_bytes(image(B).bytes())
    assert report.lines == (
        f"The image demo:1 already exists, renaming the old one with ID {old} to empty string",
        "Loaded image: demo:1",
    )
    assert [one.dangling for one in store.images()].count(True) == 1
    assert import_bytes(first).changed
    assert store.inspect("demo:1").image_id == old


def test_same_tag_on_two_images_goes_to_the_second(import_bytes: TakeIn, store: Store) -> None:
    archive = (
        Archive()
        .file("a", A)
        .file("b", B)
        .file("1", config(A))
        .file("2", config(B))
        .manifest(
            {"Config": "1", "RepoTags": ["x:1"], "Layers": ["a"]},
            {"Config": "2", "RepoTags": ["x:1", "x:1"], "Layers": ["b"]},
        )
    )
    lines = import_bytes(archive.bytes()).lines
    first = ImageID.of(config(A))
    assert lines == (
        "Loaded image: x:1",
        f"The image x:1 already exists, renaming the old one with ID {first} to empty string",
        "Loaded image: x:1",
        "Loaded image: x:1",
    )
    assert store.inspect("x:1").image_id == ImageID.of(config(B))
    assert not import_bytes(archive.bytes()).changed


def history(*steps: str) -> list[dict[str, str]]:
    return [{"created": "2020-01-01T00:00:00Z", "created_by": step} for step in steps]


def family(child_history: list[dict[str, str]]) -> Archive:
    parent, child = config(A, history=history("one")), config(A, B, history=child_history)
    return (
        Archive()
        .file("a", A)
        .file("b", B)
        .file("p", parent)
        .file("c", child)
        .manifest(
            {"Config": "p", "RepoTags": ["p:1"], "Layers": ["a"]},
            {
                "Config": "c",
                "RepoTags": ["c:1"],
                "Layers": ["a", "b"],
                "Parent": str(ImageID.of(parent)),
            },
        )
    )


def test_parent_links_survive(
    import_bytes: TakeIn, store: Store, save: Callable[..., bytes]
) -> None:
    import_bytes(family(history("one", "two")).bytes())
    parent = store.inspect("p:1")
    assert store.inspect("c:1").parent == parent.image_id
    assert parent.children == (store.inspect("c:1").image_id,)
    assert b'"Parent":"' in save("c:1", "p:1")
    assert b'"Parent":"' not in save("c:1")


def test_foreign_layers_keep_their_sources(
    import_bytes: TakeIn, save: Callable[..., bytes], store: Store
) -> None:
    source = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "size": 7,
        "digest": digest(B),
        "urls": ["https://example.com/l"],
    }
    plain = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "size": len(B),
        "digest": digest(B),
    }
    archive = (
        Archive()
        .file("a", A)
        .file("b", B)
        .file("c", config(A, B))
        .manifest(
            {
                "Config": "c",
                "RepoTags": ["demo:1"],
                "Layers": ["a", "b"],
                "LayerSources": {digest(A): source, digest(B): plain},
            }
        )
    )
    import_bytes(archive.bytes())
    assert store.inspect("demo:1").layers[0].urls == ("https://example.com/l",)
    assert store.inspect("demo:1").layers[1].urls == ()
    assert json.dumps({digest(A): source}, separators=(",", ":")).encode() in save("demo:1")


def repeated(second: str) -> Archive:
    """Return an archive of an image that uses one layer twice.

    The second use names the path ``second``. The archive also has a copy of the layer and a
    different layer.
    """
    made = Archive().file("a", A).file("copy", A).file("other", B).file("c", config(A, A))
    return made.manifest({"Config": "c", "RepoTags": ["twice:1"], "Layers": ["a", second]})


@pytest.mark.parametrize("second", ["a", "copy", "nowhere"])
def test_a_layer_that_comes_twice_may_be_missing_once(import_bytes: TakeIn, second: str) -> None:
    assert import_bytes(repeated(second).bytes()).lines == ("Loaded image: twice:1",)


def test_a_repeated_layer_must_be_the_same_bytes(import_bytes: TakeIn, store: Store) -> None:
    with pytest.raises(errors.DigestMismatch) as caught:
        import_bytes(repeated("other").bytes())
    assert (caught.value.want, caught.value.got) == (
        DiffID.parse(digest(A)),
        Digest.parse(digest(B)),
    )
    assert not store.images()


def test_known_layers_of_a_chain_are_not_read_again(import_bytes: TakeIn) -> None:
    made = Archive().file("a", A).file("b", B).file("c", config(A)).file("d", config(A, B))
    first, second = (
        {"Config": "c", "RepoTags": ["x:1"], "Layers": ["a"]},
        {
            "Config": "d",
            "RepoTags": ["x:2"],
            "Layers": ["c", "b"],
        },
    )
    assert import_bytes(made.manifest(first, second).bytes()).lines == (
        "Loaded image: x:1",
        "Loaded image: x:2",
    )


def test_more_layers_than_docker_accepts_give_a_note(import_bytes: TakeIn) -> None:
    report = import_bytes(image(*([E] * 130)).bytes())
    assert any("125" in note for note in report.notes)


def legacy(**repositories: dict[str, str]) -> Archive:
    """Return the archive of vectors V5 and V6 (docs/formats/docker-archive.md §11)."""
    archive = Archive()
    for name, document, layer in (("b" * 64, V5_JSON, A), ("a" * 64, V6_JSON, B)):
        archive.directory(name + "/").file(f"{name}/VERSION", b"1.0").file(
            f"{name}/json", document
        ).file(f"{name}/layer.tar", layer)
    return archive.file("repositories", json.dumps(repositories).encode())


def test_archives_from_before_docker_1_10_become_dockers_images(
    import_bytes: TakeIn, store: Store
) -> None:
    report = import_bytes(legacy(old={"base": "b" * 64, "top": "a" * 64}).bytes())
    assert sorted(report.lines) == ["Loaded image: old:base", "Loaded image: old:top"]
    top = store.inspect("old:top")
    assert str(top.image_id) == V6_IMAGE_ID
    assert str(top.parent) == V5_IMAGE_ID
    assert not import_bytes(legacy(old={"base": "b" * 64, "top": "a" * 64}).bytes()).changed


@pytest.mark.parametrize(
    ("name", "loaded"),
    [
        ("old:1", "old:x"),
        (f"{'0a' * 32}:1", f"{'0a' * 32}:x"),
        (f"docker.io/{'0a' * 32}", f"{'0a' * 32}:x"),
        ("library/old", "old:x"),
    ],
)
def test_the_tag_of_an_old_archive_takes_the_place_of_one_in_the_name(
    import_bytes: TakeIn, store: Store, name: str, loaded: str
) -> None:
    assert (
        f"Loaded image: {loaded}" in import_bytes(legacy(**{name: {"x": "b" * 64}}).bytes()).lines
    )
    assert str(store.inspect(loaded).image_id) == V5_IMAGE_ID


def test_untagged_images_of_old_archives_are_kept(import_bytes: TakeIn, store: Store) -> None:
    assert import_bytes(legacy().bytes()).lines == (f"Loaded image ID: {V6_IMAGE_ID}",)
    assert [str(one.image_id) for one in store.images()] == [V6_IMAGE_ID]
    store.collect()
    assert store.inspect(V5_IMAGE_ID).children


def test_names_of_absent_images_of_old_archives_are_refused(
    import_bytes: TakeIn, store: Store
) -> None:
    with pytest.raises(errors.InvalidInput):
        import_bytes(legacy(old={"x": "c" * 64}).bytes())
    assert not store.images()


@pytest.mark.parametrize(
    "repositories",
    [
        {"Old": {"x": "a" * 64}},
        {"old": {"x y": "a" * 64}},
        {"0a" * 32: {"x": "a" * 64}},
        {"old": {"": "a" * 64}},
    ],
)
def test_bad_names_of_old_archives_are_left_out_with_a_note(
    import_bytes: TakeIn, store: Store, repositories: dict[str, dict[str, str]]
) -> None:
    report = import_bytes(legacy(**repositories).bytes())
    assert any("ignored" in str(note) for note in report.notes), report.notes
    assert not report.tags
    assert store.images()
