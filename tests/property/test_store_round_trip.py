"""A saved archive, imported into an empty store, gives back the saved images and names.

A second save gives the same bytes, whatever the first store held.
"""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

import exporter
from exporter import Format, SaveOptions
from store import Store
from tests.conftest import NOW
from tests.support.images import A, Archive, B, E, config, layer
from tests.support.layouts import Layout, foreign, gzip, plain, zstd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.layouts import Descriptor

LAYERS = (A, B, E, layer("c.txt", b"gamma\n"), layer("large", b"0123456789abcdef" * 9_000))
ELSEWHERE = layer("elsewhere", b"not everybody may pass it on")
"""A foreign layer whose blob neither store has."""

ENCODINGS = (plain, gzip, zstd)
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v6", "windows/amd64")
NAMES = ("docker.io/library/app", "docker.io/team/app", "example.org:5000/other")
TAGS = ("1", "latest")


@dataclass(frozen=True)
class Made:
    """The parts of an image: its layers, their encodings, its digest algorithm and its label."""

    layers: tuple[tuple[int, int], ...]
    algorithm: str
    label: str
    foreign: bool = False


SLOW = settings(
    deadline=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
"""Few examples and no shrinking, because each example needs two stores on disk."""

MADE = st.builds(
    Made,
    st.lists(
        st.tuples(st.integers(0, len(LAYERS) - 1), st.integers(0, len(ENCODINGS) - 1)),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.sampled_from(("sha256", "sha256", "sha512")),
    st.sampled_from(("x", "y", "é<&>")),
    st.booleans(),
)


@dataclass(frozen=True)
class Root:
    """A named image, or a named index of several images.

    The image or index may have attestations and referrers.
    """

    images: tuple[Made, ...]
    indexed: bool
    nested: bool
    attested: bool
    sparse: bool
    referrers: int
    """The number of referrers; the first refers to the root, each later one to its predecessor."""
    signed: bool
    """Whether a tag made from the root's digest names a signature."""
    names: frozenset[tuple[str, str]]


ROOTS = st.builds(
    Root,
    st.lists(MADE, min_size=1, max_size=len(PLATFORMS)).map(tuple),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
    st.booleans(),
    st.frozensets(st.tuples(st.sampled_from(NAMES), st.sampled_from(TAGS)), max_size=2),
)


def image(layout: Layout, made: Made, platform: str) -> Descriptor:
    blobs = [ENCODINGS[encoding](LAYERS[number]) for number, encoding in made.layers]
    if made.foreign:
        blobs[0] = foreign(ENCODINGS[made.layers[0][1]](ELSEWHERE), "https://example.org/layer")
    return layout.image(
        *blobs,
        platform=platform,
        algorithm=made.algorithm,
        config={"config": {"Labels": {"is": made.label}}},
    )


def top_of(layout: Layout, one: Root) -> Descriptor:
    images = [
        image(layout, made, platform) for made, platform in zip(one.images, PLATFORMS, strict=False)
    ]
    if not one.indexed:
        return images[0]
    children = list(images)
    if one.attested:
        children += [
            layout.attestation(child, f"about {child['digest']}".encode()) for child in images
        ]
    if one.nested:
        children = [*children[:1], layout.index(*children[1:], annotations={"nested": "yes"})]
    if one.sparse:
        children.append(layout.absent("linux/s390x"))
    return layout.index(*children, unknown={"kept": [1, 2.50, None]})


def layout_of(roots: list[Root]) -> Layout:
    layout = Layout()
    taken: set[str] = set()
    for one in roots:
        top = top_of(layout, one)
        names = sorted({f"{name}:{tag}" for name, tag in one.names} - taken)
        taken.update(names)
        layout.root(top, *names)
        subject = top
        for number in range(one.referrers):
            subject = layout.root(
                layout.artifact(f"{number} about {subject['digest']}".encode(), subject=subject)
            )
        algorithm, _, digits = top["digest"].partition(":")
        signature = f"{NAMES[0]}:{algorithm}-{digits[:64]}.sig"
        if one.signed and signature not in taken:
            taken.add(signature)
            layout.root(layout.artifact(f"signature of {top['digest']}".encode()), signature)
    return layout


def docker_archive(images: list[Made]) -> bytes:
    """Return an archive of these images as Docker before version 25 writes it."""
    archive = Archive()
    items: list[dict[str, object]] = []
    for number, made in enumerate(images):
        layers = [LAYERS[place] for place, _ in made.layers]
        archive.file(
            f"{number}.json",
            config(*layers, config={"Labels": {"is": made.label, "number": str(number)}}),
        )
        for place, data in enumerate(layers):
            archive.file(f"{number}-{place}.tar", data)
        items.append(
            {
                "Config": f"{number}.json",
                "RepoTags": [f"docker/image:{number}"] if number % 2 == 0 else None,
                "Layers": [f"{number}-{p}.tar" for p in range(len(layers))],
            }
        )
    return archive.manifest(*items).bytes()


QUERIES = {
    # The content that names refer to. The encoding on disk is the store's own choice and depends on
    # the order of imports.
    "content": (
        "SELECT digest, size_bytes, state FROM content WHERE id IN (SELECT content_id FROM"
        " manifest_edge UNION SELECT content_id FROM manifest UNION SELECT content_id FROM image"
        " UNION SELECT diff_id FROM layer)"
    ),
    "layer": (
        "SELECT l.chain_id, p.chain_id, c.digest, l.depth FROM layer l JOIN content c ON c.id ="
        " l.diff_id LEFT JOIN layer p ON p.id = l.parent_id"
    ),
    "image": (
        "SELECT c.digest, l.chain_id, p.digest, os, architecture, variant, created_s, diff_state"
        " FROM image i JOIN content c ON c.id = i.content_id LEFT JOIN layer l ON l.id ="
        " i.top_layer_id LEFT JOIN content p ON p.id = i.parent_id"
    ),
    "manifest": (
        "SELECT c.digest, media_type, kind, artifact_type, s.digest, i.digest FROM manifest m JOIN"
        " content c ON c.id = m.content_id LEFT JOIN content s ON s.id = m.subject_id LEFT JOIN"
        " content i ON i.id = m.image_id"
    ),
    "edge": (
        "SELECT m.digest, role, position, c.digest, media_type, platform, annotations, urls FROM"
        " manifest_edge e JOIN content m ON m.id = e.manifest_id JOIN content c ON c.id ="
        " e.content_id"
    ),
    "foreign": (
        "SELECT c.digest, descriptor FROM foreign_source f JOIN content c ON c.id = f.content_id"
    ),
    "label": "SELECT c.digest, key, value FROM label l JOIN content c ON c.id = l.content_id",
    "reference": (
        "SELECT r.name, tag, c.digest FROM reference t JOIN repository r ON r.id = t.repository_id"
        " JOIN content c ON c.id = t.manifest_id"
    ),
    "kept": "SELECT c.digest FROM kept k JOIN content c ON c.id = k.manifest_id",
}


@contextmanager
def stores(count: int) -> Iterator[list[Store]]:
    with tempfile.TemporaryDirectory() as folder:
        opened = [
            Store.open(Path(folder) / str(number), create=True, clock=lambda: NOW)
            for number in range(count)
        ]
        try:
            yield opened
        finally:
            for one in opened:
                one.close()


def saved(store: Store, names: list[str], format_: Format) -> bytes:
    out = io.BytesIO()
    with exporter.open_save(
        store, names, options=SaveOptions(format=format_, sparse=True, referrers=True)
    ) as export:
        export.write(out)
        assert len(out.getvalue()) == export.size_bytes
    return out.getvalue()


def catalogue(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return all digests, names and links in the catalogue, without row numbers and times."""
    with store.read() as connection:
        return {
            table: sorted(map(tuple, connection.execute(text(query))), key=repr)
            for table, query in QUERIES.items()
        }


def everything(store: Store) -> list[str]:
    """Return names for everything the store keeps, except manifests kept only as referrers."""
    held = catalogue(store)
    return [f"{name}:{tag}" for name, tag, _ in held["reference"]] + [
        digest for (digest,) in held["kept"]
    ]


@SLOW
@given(roots=st.lists(ROOTS, min_size=1, max_size=3), docker=st.lists(MADE, max_size=2))
@example(
    roots=[], docker=[Made(((0, 0), (1, 0)), "sha256", "x"), Made(((0, 0), (0, 0)), "sha256", "y")]
)
@pytest.mark.parametrize("format_", [Format.OCI, Format.DOCKER])
def test_an_imported_save_equals_its_source(
    format_: Format, roots: list[Root], docker: list[Made]
) -> None:
    with stores(2) as (first, second):
        if roots:
            first.import_archive(io.BytesIO(layout_of(roots).tar()))
        if docker:
            first.import_archive(io.BytesIO(docker_archive(docker)))
        names = everything(first)
        archive = saved(first, names, format_)
        second.import_archive(io.BytesIO(archive))
        held, came = catalogue(first), catalogue(second)
        for table, rows in held.items():
            assert came[table] == rows, table
        assert saved(second, names, format_) == archive


@SLOW
@given(roots=st.lists(ROOTS, min_size=1, max_size=3))
@pytest.mark.parametrize("format_", [Format.OCI, Format.DOCKER])
def test_referrers_go_with_their_image(format_: Format, roots: list[Root]) -> None:
    with stores(2) as (first, second):
        layout = layout_of(roots)
        first.import_archive(io.BytesIO(layout.tar()))
        names = [
            f"{name}:{tag}"
            for name, tag, _ in catalogue(first)["reference"]
            if not tag.startswith("sha")
        ]
        if not names:
            return
        second.import_archive(io.BytesIO(saved(first, names, format_)))
        held, came = catalogue(first), catalogue(second)
        assert set(came["manifest"]) <= set(held["manifest"])
        there = {row[0] for row in came["manifest"]}
        assert {row[0] for row in held["manifest"] if row[4] in there} <= there
        assert [row for row in came["reference"] if not row[1].startswith("sha")] == [
            row for row in held["reference"] if not row[1].startswith("sha")
        ]
