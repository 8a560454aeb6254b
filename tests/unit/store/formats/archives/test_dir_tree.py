"""Trees of ``dir:`` folders."""

from __future__ import annotations

import json

import pytest

from store.errors import InvalidArchive
from store.formats.archives.dir_tree import claim, is_name
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.images import A, B, config
from tests.support.memory_files import MemoryFiles


def dir_files(layer: bytes, media: str = "application/vnd.oci.image.") -> dict[str, bytes]:
    """Return the files of a ``dir:`` folder with one image."""
    made = config(layer)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{media}manifest.v1+json",
            "config": _descriptor(made, f"{media}config.v1+json"),
            "layers": [_descriptor(layer, f"{media}layer.v1.tar")],
        }
    ).encode()
    return {
        "version": b"Directory Transport Version: 1.1\n",
        "manifest.json": manifest,
        Digest.of(made).hex: made,
        Digest.of(layer).hex: layer,
    }


def _descriptor(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


def read(**folders: dict[str, bytes]) -> tuple[object, ...]:
    named = {name.replace("__", "/").replace("_v", ":"): some for name, some in folders.items()}
    whole = {f"{name}/{path}": data for name, some in named.items() for path, data in some.items()}
    return claim(
        MemoryFiles(whole),
        {name: MemoryFiles(some) for name, some in named.items()},
        DEFAULT_LIMITS,
        lambda _: None,
    )


@pytest.mark.parametrize(
    ("folder", "named"),
    [
        ("busybox:1", True),
        ("quay.io/team/app:2", True),
        (f"app@sha256:{'a' * 64}", True),
        ("busybox", False),
        ("", False),
        ("No Name:1", False),
    ],
)
def test_a_path_is_a_name_if_it_has_a_tag_or_a_digest(folder: str, *, named: bool) -> None:
    assert is_name(folder) is named


def test_each_folder_is_an_image_with_its_path_as_its_name() -> None:
    found, paths = read(a_v1=dir_files(A), team__b_v2=dir_files(B), team__c_v3=dir_files(B))
    roots = {root.digest: root.names for root in found.graph.roots}  # type: ignore[attr-defined]
    assert sorted(roots.values()) == [
        ("docker.io/library/a:1",),
        ("docker.io/team/b:2", "docker.io/team/c:3"),
    ]
    assert paths.find(Digest.of(A)) == f"a:1/{Digest.of(A).hex}"  # type: ignore[attr-defined]
    assert paths.find(Digest.of(B)) == f"team/b:2/{Digest.of(B).hex}"  # type: ignore[attr-defined]


def test_two_images_cannot_have_one_name() -> None:
    with pytest.raises(InvalidArchive, match=r"the folders give the name docker\.io/library/a:1"):
        read(a_v1=dir_files(A), library__a_v1=dir_files(B))
