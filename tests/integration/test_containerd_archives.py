"""Archives of ``ctr images export`` in which index.json and manifest.json differ."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from store import Digest, errors
from tests.support.images import A, B, E
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store
    from tests.support.layouts import Descriptor


def exported(layout: Layout, *entries: dict[str, Any]) -> io.BytesIO:
    layout.files["manifest.json"] = json.dumps(entries).encode()
    return io.BytesIO(layout.tar())


def entry(layout: Layout, manifest: Descriptor, *tags: str) -> dict[str, Any]:
    """Return a manifest's entry as containerd writes it, for an image or an artifact."""
    document = json.loads(layout.blobs[manifest["digest"]])
    config, *layers = (
        f"blobs/{one['digest'].replace(':', '/')}"
        for one in (document["config"], *document["layers"])
    )
    return {"Config": config, "RepoTags": list(tags) or None, "Layers": layers}


def test_manifest_json_may_have_no_names_where_the_index_has(store: Store) -> None:
    # `--skip-manifest-json` of containerd 1.6 leaves out only the names.
    layout = Layout()
    named = layout.root(layout.image(gzip(A)), "docker.io/team/app:1", "docker.io/team/app:2")
    other = layout.root(layout.image(gzip(B)), "docker.io/team/other:1")
    report = store.import_archive(
        exported(layout, entry(layout, named), entry(layout, other, "team/other:renamed"))
    )
    assert {tag.reference.familiar for tag in report.tags} == {
        "team/app:1",
        "team/app:2",
        "team/other:renamed",
    }
    assert {str(tag.manifest) for tag in report.tags} == {named["digest"], other["digest"]}


def test_an_artifact_may_be_listed_among_the_images(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    artifact = layout.root(
        layout.artifact(b"signed", subject=image), "docker.io/team/app:signature"
    )
    report = store.import_archive(
        exported(
            layout,
            entry(layout, artifact, "team/app:signature"),
            entry(layout, image, "team/app:1"),
        )
    )
    assert {tag.reference.familiar: str(tag.manifest) for tag in report.tags} == {
        "team/app:1": image["digest"],
        "team/app:signature": artifact["digest"],
    }
    assert len(report.images) == 1
    assert store.document(Digest.parse(artifact["digest"])) == layout.blobs[artifact["digest"]]
    assert list(store.fsck()) == []


def test_a_config_that_no_manifest_names_must_still_be_one_of_an_image(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    stray = layout.blob(b"{}", "")
    with pytest.raises(errors.InvalidDocument, match="RootFS"):
        store.import_archive(
            exported(
                layout,
                entry(layout, image, "team/app:1"),
                {"Config": f"blobs/{stray['digest'].replace(':', '/')}", "Layers": [E.hex()]},
            )
        )
    assert store.images() == ()
