"""Image layouts, and the content of a store after their import."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from store import Digest, ImportOptions, Store
from tests.support.images import A, B, E, layer
from tests.support.layouts import (
    Layout,
    encode,
    gzip,
    plain,
    zstd,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.importing.report import ImportReport
    from store.model.contents import Sources


C = layer("c.txt", b"gamma\n")


LARGE = layer("large", b"0123456789abcdef" * 20_000)


def import_into(
    store: Store, layout: Layout, *, options: ImportOptions | None = None
) -> ImportReport:
    """Import a layout from memory; return the report."""
    return store.import_archive(io.BytesIO(layout.tar()), options)


def sources(store: Store, name: str) -> Sources | None:
    """Return the sources of a digest, or None if the store does not know the digest."""
    return store.sources((Digest.parse(name),)).get(Digest.parse(name))


def content(store: Store, name: str) -> bytes:
    """Return the bytes that the store has for a digest."""
    found = sources(store, name)
    assert found is not None, name
    with store.reader() as reader:
        return b"".join(reader.chunks(found))


def assert_has_all(store: Store, layout: Layout) -> None:
    """Check that the store has every blob of a layout, and that fsck finds no damage."""
    for name, data in layout.blobs.items():
        assert content(store, name) == data
    assert list(store.fsck()) == []


def everything() -> Layout:
    """Return a layout with every kind of entry.

    - an index with three platforms, attestations and an absent platform
    - a signature, and a referrer of the signature
    - an image in SHA-512
    """
    layout = Layout()
    amd64 = layout.image(
        gzip(A), zstd(B), plain(LARGE), platform="linux/amd64", annotations={"made": "here"}
    )
    arm64 = layout.image(gzip(A), gzip(C), platform="linux/arm64/v8")
    windows = layout.image(gzip(E), platform="windows/amd64", config={"os.version": "10.0.17763.1"})
    top = layout.index(
        amd64,
        layout.attestation(amd64),
        arm64,
        windows,
        layout.absent("linux/s390x"),
        annotations={"org.example": "x"},
    )
    layout.root(top, "docker.io/team/app:1", "docker.io/team/app:latest")
    signature = layout.root(
        layout.artifact(b"signed " * 20_000, subject=top, artifact_type="application/vnd.sig")
    )
    layout.root(layout.artifact(b"about the signature", subject=signature))
    layout.root(
        layout.image(gzip(A), platform="linux/riscv64", algorithm="sha512"), "example.org/other:512"
    )
    return layout


def hybrid(layout: Layout, *entries: dict[str, Any]) -> Layout:
    """Return the layout together with a manifest.json that has these entries."""
    layout.files["manifest.json"] = encode(list(entries))
    return layout


def entry(layout: Layout, image: dict[str, Any], *tags: str) -> dict[str, Any]:
    """Return the manifest.json entry of an image in a layout."""
    document = json.loads(layout.blobs[image["digest"]])
    path = [
        f"blobs/{link['digest'].replace(':', '/')}"
        for link in (document["config"], *document["layers"])
    ]
    return {"Config": path[0], "RepoTags": list(tags) or None, "Layers": path[1:]}


def importer_from(kind: str, folder: Path) -> Callable[[Store, Layout], ImportReport]:
    """Return a function that imports a layout from a ``pipe``, a ``file`` or a ``folder``.

    The file or folder is made in ``folder``.
    """

    def import_layout(store: Store, layout: Layout) -> ImportReport:
        if kind == "pipe":
            return store.import_archive(io.BytesIO(layout.tar()))
        if kind == "folder":
            return store.import_archive(layout.folder(folder / "layout"))
        path = folder / "layout.tar"
        path.write_bytes(layout.tar())
        return store.import_archive(path)

    return import_layout
