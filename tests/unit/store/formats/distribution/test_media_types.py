"""Media types in the headers of requests and answers."""

from __future__ import annotations

import pytest

from store.formats.distribution.media_types import declared_type
from store.formats.image.media_types import OCI_MANIFEST


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (OCI_MANIFEST, OCI_MANIFEST),
        (f" {OCI_MANIFEST} ; charset=utf-8", OCI_MANIFEST),
        ("application/vnd.example+json", "application/vnd.example+json"),
        ("application/json; charset=utf-8", ""),
        ("application/octet-stream", ""),
        ("text/plain", ""),
        ("application/x-www-form-urlencoded", ""),
        ("", ""),
    ],
)
def test_only_specific_types_declare_a_document(content_type: str, found: str) -> None:
    assert declared_type(content_type) == found
