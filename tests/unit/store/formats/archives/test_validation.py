"""The checks of the chosen part of an archive."""

from __future__ import annotations

import pytest

from store.errors import InvalidArchive, InvalidDocument, InvalidInput
from store.formats.archives import oci_layout
from store.formats.archives.claims import ArchiveClaim, BrokenImage, Graph
from store.formats.archives.validation import raise_faults, validate, with_sparse_notes
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.remedies import Remedy
from tests.support.images import A, B
from tests.support.layouts import Layout
from tests.support.memory_files import MemoryFiles

DIGEST = Digest.of(b"")


def claimed(layout: Layout) -> ArchiveClaim:
    return oci_layout.claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)


def test_the_faults_of_documents_come_before_broken_images() -> None:
    broken = (BrokenImage(InvalidArchive("image")),)
    raise_faults(ArchiveClaim(DIGEST, ()))
    with pytest.raises(InvalidArchive, match="image"):
        raise_faults(ArchiveClaim(DIGEST, (), broken=broken))
    graph = Graph(faults={DIGEST: InvalidDocument("document")})
    with pytest.raises(InvalidDocument, match="document"):
        raise_faults(ArchiveClaim(DIGEST, (), graph=graph, broken=broken))


def test_one_name_for_two_images_is_refused() -> None:
    layout = Layout()
    for data in (A, B):
        layout.root(layout.image(data), "docker.io/library/app:1")
    with pytest.raises(InvalidDocument, match=r"the name docker.io/library/app:1 is given to"):
        validate(claimed(layout), require_all=False)


def test_absent_content_is_noted_or_refused() -> None:
    layout = Layout()
    layout.root(layout.index(layout.image(A), layout.absent("linux/s390x")))
    claim = claimed(layout)
    validate(claim, require_all=False)
    (note,) = with_sparse_notes(claim).notes
    assert note.startswith("sparse index: neither the archive nor the store has linux/s390x (")
    with pytest.raises(InvalidInput) as caught:
        validate(claim, require_all=True)
    assert caught.value.remedy is Remedy.ACCEPT_SPARSE
