"""The states and notes of images whose layers contradict their config or were never decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from store.formats.archives import oci_layout
from store.formats.archives.claims import ImageClaim
from store.importing.archive import ReadArchive
from store.importing.doubts import MAX_NOTES, image_states, manifest_states, mismatch_notes
from store.model.contents import DiffState
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.remedies import Note, Remedy
from tests.support.images import A
from tests.support.layouts import Layout, gzip, plain
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
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
