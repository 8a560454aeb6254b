"""The states and notes of images whose layers contradict their config or were never decoded."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.catalog import repositories
from store.formats.archives import oci_layout
from store.formats.archives.claims import ImageClaim
from store.formats.image.manifests import Document
from store.importing.archive import ReadArchive
from store.importing.doubts import MAX_NOTES, image_states, manifest_states, mismatch_notes
from store.importing.importer import ImportOptions, import_archive
from store.model.contents import DiffState
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.references import Repository
from store.model.remedies import Note, Remedy
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip, plain
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from store import Store
    from tests.support.layouts import Descriptor


def read(layout: Layout) -> ReadArchive:
    return ReadArchive(
        oci_layout.claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)
    )


def of(root: Descriptor) -> Digest:
    return Digest.parse(root["digest"])


def test_an_image_has_the_best_state_of_its_manifests() -> None:
    layout = Layout()
    first, second = layout.root(layout.image(plain(A))), layout.root(layout.image(gzip(A)))
    archive = read(layout)
    (image,) = {config.image_id for config in archive.claim.graph.configs.values()}
    archive.mismatches[of(first)] = "layer 0 is wrong"
    assert manifest_states(archive) == {of(first): DiffState.MISMATCH}
    assert image_states(archive, manifest_states(archive)) == {}
    archive.undecoded.add(of(second))
    assert image_states(archive, manifest_states(archive)) == {image: DiffState.UNVERIFIED}
    archive.mismatches[of(second)] = "layer 0 is wrong"
    assert image_states(archive, manifest_states(archive)) == {image: DiffState.MISMATCH}


def test_an_image_that_the_archive_lists_by_diff_id_is_verified() -> None:
    layout = Layout()
    root = layout.root(layout.image(A))
    archive = read(layout)
    archive.mismatches[of(root)] = "layer 0 is wrong"
    config = archive.claim.graph.configs[of(root)]
    claim = ImageClaim(config, ("l",), (), None, {})
    for described, count in ((False, 0), (True, 1)):
        images = (replace(claim, described=described),)
        archive.claim = replace(archive.claim, images=images)
        assert len(image_states(archive, manifest_states(archive))) == count


def test_notes_name_a_few_images_and_count_the_rest() -> None:
    layout = Layout()
    roots = [
        layout.root(layout.image(A, annotations={"n": str(n)}), f"docker.io/library/app:{n}")
        for n in range(MAX_NOTES + 2)
    ]
    archive = read(layout)
    archive.mismatches = {of(root): "layer 0 is wrong" for root in roots}
    notes = mismatch_notes(archive)
    assert len(notes) == MAX_NOTES + 1
    assert "docker.io/library/app:0" in notes[0]
    assert "layer 0 is wrong" in notes[0]
    assert isinstance(notes[0], Note)
    assert notes[0].remedy is Remedy.REBUILD_IMAGE
    assert "2 more" in notes[-1]


SECRET, PUBLIC = (Repository("docker.io", f"team/{name}") for name in ("secret", "public"))


@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_guarded_import_gives_only_what_it_brings(store: Store, is_guarded: bool) -> None:
    layout = Layout()
    secret = layout.image(gzip(A))
    layout.root(secret, "docker.io/team/secret:1")
    store.import_archive(io.BytesIO(layout.tar()))
    hidden = Document.parse(layout.blobs[secret["digest"]])
    other = Layout()
    public = other.image(gzip(B))
    other.root(other.index(secret, public), "docker.io/team/public:1")
    options = ImportOptions(is_guarded=is_guarded)
    import_archive(store, io.BytesIO(other.tar()), options, None)
    shown = Document.parse(other.blobs[public["digest"]])
    with store.read() as connection:
        mine = [shown.digest, *(link.digest for link in shown.links)]
        assert repositories.held(connection, PUBLIC, mine).keys() == set(mine)
        theirs = [hidden.digest, *(link.digest for link in hidden.links)]
        given = repositories.held(connection, PUBLIC, theirs)
        assert given.keys() == (set() if is_guarded else set(theirs))
        assert repositories.held(connection, SECRET, theirs).keys() == set(theirs)
