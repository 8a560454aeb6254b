from __future__ import annotations

import pytest

from remote.registry.values import ManifestDocument, Tag
from store.errors import InvalidReference
from store.formats.image.manifests import Document
from store.model.digests import Descriptor, Digest
from tests.support.layouts import MANIFEST
from tests.support.registry_pushes import image_manifest


def test_tags_are_checked() -> None:
    assert str(Tag("1.4")) == "1.4"
    for text in ("", "-x", "a/b", "a b", "x" * 129, "a\n"):
        with pytest.raises(InvalidReference, match="invalid tag"):
            Tag(text)


def test_a_document_has_a_descriptor() -> None:
    _, data = image_manifest()
    document = ManifestDocument(data, Document.parse(data))
    assert document.descriptor == Descriptor(MANIFEST, Digest.of(data), len(data))
