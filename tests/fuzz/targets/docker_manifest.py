"""manifest.json and repositories, read alone and as the claims of an archive.

A NUL separates the file from the config that the file may name.
"""

from __future__ import annotations

import json
from typing import Final

from store.errors import InvalidArchive, InvalidDocument, InvalidInput, MissingMember
from store.formats.archives import docker
from store.formats.archives.docker_manifest import parse_manifest, parse_repositories
from store.model.limits import Limits
from store.model.references import Reference
from tests.support.images import A, B, config, digest

MAX_BYTES: Final = 4096
LIMITS: Final = Limits(json_depth=100)
CONFIGS: Final = {
    "a.json": config(A, history=[{"created_by": "one"}]),
    "b.json": config(A, B, history=[{"created_by": "one"}, {"created_by": "two"}]),
    "c.json": config(B),
}
PARENT: Final = digest(CONFIGS["a.json"])
SEEDS: Final = (
    json.dumps(
        [
            {"Config": "a.json", "RepoTags": ["x:1"], "Layers": ["l"]},
            {"Config": "b.json", "RepoTags": None, "Layers": ["l", "m"], "Parent": PARENT},
            {
                "Config": "c.json",
                "Layers": ["m"],
                "LayerSources": {
                    digest(B): {
                        "mediaType": "t",
                        "size": 3,
                        "digest": digest(A),
                        "urls": ["https://x"],
                    }
                },
            },
        ]
    ).encode(),
    b'{"a":{"1":"x","latest":"y"},"b/c":null}',
    b'null\0{"rootfs":{}}',
    b'[{"config":"own","LAYERS":null,"RepoTags":[]}]\0' + config(),
    (
        b'[{"Config":"a.json","Layers":["l"],"LayerSources":{"x":{"platform":{"os":"linux","os.features":["f"]},"annotations":{"k":"v"}}}}]'
        b" trailing"
    ),
)
TOKENS: Final = (
    b'"Config":"',
    b'a.json"',
    b'b.json"',
    b'own"',
    b'"RepoTags":[',
    b'"Layers":[',
    b'"Parent":"' + PARENT.encode(),
    b'"LayerSources":{',
    b'"urls":["',
    b'"platform":{',
    digest(B).encode(),
    b"../",
    b"\0",
    b"x:1",
    b"null",
)


def check(data: bytes) -> None:
    """Read each file alone, then both files as an archive."""
    table, _, own = data.partition(b"\0")
    _repositories(table)
    try:
        entries = parse_manifest(table, LIMITS)
    except InvalidDocument as exc:
        assert exc.document == "manifest.json"
        assert exc.message.isprintable()
    else:
        assert parse_manifest(table + b" trailing", LIMITS) == entries or table[-1:].isalnum()
        for source in (link for entry in entries for link in entry.layer_sources.values()):
            wrapped = b'[{"Config":"c","LayerSources":{"k":%s}}]' % source.encode()
            assert parse_manifest(wrapped, LIMITS)[0].layer_sources["k"].encode() == source.encode()

    def read(path: str) -> bytes:
        known = {**CONFIGS, "manifest.json": table, "own": own}.get(path)
        if known is None:
            raise MissingMember("no such file in the archive", member=path)
        return known

    try:
        claim = docker.claim(read, LIMITS, no_images={"c.json"} if own else ())
    except InvalidInput as exc:
        assert exc.message.isprintable()
        assert isinstance(exc, InvalidArchive) or exc.hint is None or exc.hint.isprintable()
        return
    ids = {image.config.image_id for image in claim.images}
    ids |= {image.config.image_id for image in claim.broken if image.config is not None}
    for image in claim.images:
        assert len(image.layers) == len(image.config.diff_ids)
        assert image.parent is None or image.parent in ids - {image.config.image_id}
        assert all(Reference.parse(tag).tag for tag in image.tags)


def _repositories(table: bytes) -> None:
    try:
        found = parse_repositories(table, LIMITS)
    except InvalidDocument as exc:
        assert exc.document == "repositories"
        assert exc.message.isprintable()
        return
    again = json.dumps({name: dict(tags) for name, tags in found.items()}).encode()
    assert parse_repositories(again, LIMITS) == found
