"""An archive that is saved, imported elsewhere and saved again keeps every ID, tag and byte."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

import exporter
from exporter import Format, SaveOptions
from store import Store
from tests.support.images import layer
from tests.support.layouts import Layout, gzip, plain, zstd

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

LAYERS = [layer(f"file-{number}", bytes([number]) * (number * 700)) for number in range(5)]
PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64"]
NAMES = [
    "docker.io/library/a:1",
    "docker.io/team/b:1",
    "docker.io/team/b:2",
    "example.org:5000/c:latest",
]
QUERIES = {
    "images": (
        """SELECT c.digest, i.os, i.architecture, i.variant, l.chain_id FROM image i
        JOIN content c ON c.id = i.content_id LEFT JOIN layer l ON l.id = i.top_layer_id"""
    ),
    "manifests": (
        """SELECT c.digest, m.media_type, m.kind, m.artifact_type, s.digest, i.digest
        FROM manifest m
        JOIN content c ON c.id = m.content_id LEFT JOIN content s ON s.id = m.subject_id
        LEFT JOIN content i ON i.id = m.image_id"""
    ),
    "edges": (
        """SELECT c.digest, e.role, e.position, t.digest, t.state, e.media_type,
        e.platform, e.annotations, e.urls
        FROM manifest_edge e
        JOIN content c ON c.id = e.manifest_id JOIN content t ON t.id = e.content_id"""
    ),
    "references": (
        """SELECT r.name, f.tag, c.digest FROM reference f
        JOIN repository r ON r.id = f.repository_id JOIN content c ON c.id = f.manifest_id"""
    ),
    "labels": "SELECT c.digest, l.key, l.value FROM label l JOIN content c ON c.id = l.content_id",
    "served": (
        """SELECT r.name, c.digest FROM repository_content h
        JOIN repository r ON r.id = h.repository_id JOIN content c ON c.id = h.content_id"""
    ),
    "kept": "SELECT c.digest FROM kept k JOIN content c ON c.id = k.manifest_id",
}


def catalogue(store: Store) -> dict[str, list[str]]:
    """Return everything that a round trip preserves, as sorted rows of text."""
    with store.read() as connection:
        return {
            name: sorted(repr(tuple(row)) for row in connection.execute(text(query)))
            for name, query in QUERIES.items()
        }


@st.composite
def layouts(draw: DrawFn, *, layerless: bool) -> Layout:
    """Draw images, indexes and artifacts over shared layers, with names and referrers."""
    layout = Layout()
    encodings = [plain, gzip, zstd]

    def image(platform: str) -> dict[str, Any]:
        count = draw(st.integers(0 if layerless else 1, 3))
        blobs = [
            draw(st.sampled_from(encodings))(draw(st.sampled_from(LAYERS))) for _ in range(count)
        ]
        labels = draw(st.dictionaries(st.sampled_from("ab"), st.text(max_size=3), max_size=2))
        algorithm = draw(st.sampled_from(["sha256", "sha256", "sha512"]))
        return layout.image(
            *blobs,
            platform=platform,
            algorithm=algorithm,
            config={"config": {"Labels": labels}},
            annotations=labels,
        )

    made: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["image", "index", "nested", "artifact", "referrer"]))
        if kind == "image":
            one = image(draw(st.sampled_from(PLATFORMS)))
        elif kind in ("index", "nested"):
            children = [
                image(platform)
                for platform in draw(
                    st.lists(st.sampled_from(PLATFORMS), min_size=1, max_size=3, unique=True)
                )
            ]
            attested = [
                layout.attestation(child, draw(st.binary(min_size=1, max_size=9)))
                for child in children
                if draw(st.booleans())
            ]
            one = layout.index(*children, *attested)
            if kind == "nested":
                one = layout.index(one, layout.artifact(b"beside"))
        else:
            subject = draw(st.sampled_from(made)) if made and kind == "referrer" else None
            one = layout.artifact(
                *draw(st.lists(st.binary(max_size=40), max_size=2)), subject=subject
            )
        made.append(one)
        names = draw(
            st.lists(
                st.sampled_from(
                    [
                        "docker.io/library/a:1",
                        "docker.io/team/b:1",
                        "docker.io/team/b:2",
                        "example.org:5000/c:latest",
                    ]
                ),
                max_size=2,
                unique=True,
            )
        )
        free = [name for name in names if not any(name in str(root) for root in layout.roots)]
        if not any(root["digest"] == one["digest"] for root in layout.roots):
            layout.root(one, *free)
    return layout


def save(store: Store, names: list[str], format_: Format) -> bytes:
    out = io.BytesIO()
    with exporter.open_save(store, names, options=SaveOptions(format=format_)) as export:
        export.write(out)
    return out.getvalue()


def there_and_back(layout: Layout, format_: Format) -> None:
    names = list(
        dict.fromkeys(
            root.get("annotations", {}).get("io.containerd.image.name") or root["digest"]
            for root in layout.roots
        )
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "one", create=True) as one,
        Store.open(Path(folder) / "two", create=True) as two,
    ):
        one.import_archive(io.BytesIO(layout.tar()))
        archive = save(one, names, format_)
        two.import_archive(io.BytesIO(archive))
        assert catalogue(one) == catalogue(two)
        assert save(two, names, format_) == archive
        assert list(two.fsck()) == []


@settings(max_examples=25, deadline=None)
@given(layouts(layerless=True))
def test_an_oci_archive_carries_everything(layout: Layout) -> None:
    there_and_back(layout, Format.OCI)


@settings(max_examples=25, deadline=None)
@given(layouts(layerless=False))
def test_a_docker_archive_carries_everything(layout: Layout) -> None:
    there_and_back(layout, Format.DOCKER)
