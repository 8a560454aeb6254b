"""The names of files and the names of images in an OCI image layout."""

from __future__ import annotations

import pytest

from store.formats.image.layout_names import blob_algorithm

HEX = "0a" * 64


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("blobs/sha256/0a", ("sha256", True)),
        ("./blobs/sha512/0a", ("sha512", True)),
        (".//././blobs/sha512/0a", ("sha512", True)),
        ("blobs/sha384/0a", ("sha256", False)),
        ("blobs/sha512/0A", ("sha256", False)),
        ("blobs/sha512/", ("sha256", False)),
        ("blobs/sha512/0a/b", ("sha256", False)),
        ("x/y/blobs/sha512/0a", ("sha512", True)),
        ("xblobs/sha512/0a", ("sha256", False)),
        ("index.json", ("sha256", False)),
        (f"app/sha512-{HEX}", ("sha512", True)),
        (f"sha512-{HEX}.manifest.json", ("sha512", True)),
        (f"sha512-{HEX}/layer.tar", ("sha256", False)),
        (f"sha512-{HEX[1:]}", ("sha256", False)),
    ],
)
def test_only_the_path_of_a_blob_names_its_algorithm(path: str, answer: tuple[str, bool]) -> None:
    assert blob_algorithm(path) == answer
