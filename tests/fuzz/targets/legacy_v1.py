"""The JSON of archives from before Docker 1.10.

The input is ``repositories``, then the ``json`` of each directory, separated by NULs.
"""

from __future__ import annotations

from typing import Final

from store.errors import InvalidInput, MissingMember, StoreError
from store.formats.archives import docker_v1
from store.model.digests import DiffID
from store.model.limits import Limits
from tests.support.docker_vectors import V5_JSON, V6_JSON
from tests.support.images import digest

MAX_BYTES: Final = 4096
LIMITS: Final = Limits(json_depth=100)
NAMES: Final = ("b" * 64, "a" * 64, "x", "y", "é")
DIFFS: Final = {name: DiffID.parse(digest(name.encode())) for name in NAMES}
SEEDS: Final = (
    b'{"old":{"base":"%s","top":"%s"}}\0%s\0%s' % (b"b" * 64, b"a" * 64, V5_JSON, V6_JSON),
    b'{"n":{"1":"x"}}\0{}\0{}\0{"id":"x"}\0{"id":"y","parent":"x","docker_version":"1.9"}',
    b'{}\0{"parent":"x"}\0{}\0{"parent":"y"}\0{"parent":"x"}',
    b'{"same":{"1":"x","2":"y"}}\0{}\0{}\0{"os":"linux"}\0{"os":"linux"}',
    b"\0{}",
)
TOKENS: Final = (
    b"\0",
    b'"parent":"x"',
    b'"Parent":"y"',
    b'"id":"',
    b'"docker_version":"1.8.3"',
    b'"rootfs":{',
    b'"rootFS":null',
    b'"container_config":{"Cmd":["',
    b'"created":"2014-01-01T00:00:00.50Z"',
    b'"x"',
    b"\xc3\xa9",
    b"..",
    b"a" * 64,
)


def check(data: bytes) -> None:
    """Check that each image adds one layer to its parent's layers, or a StoreError is raised."""
    repositories, *documents = data.split(b"\0", len(NAMES))
    files = {f"{name}/json": document for name, document in zip(NAMES, documents, strict=False)}
    if repositories:
        files["repositories"] = repositories

    def read(path: str) -> bytes:
        if path not in files:
            raise MissingMember("no such file in the archive", member=path)
        return files[path]

    top_level = tuple(sorted(NAMES[: len(documents)], key=str.encode))
    try:
        faults: dict[str, StoreError] = {}
        ordered = docker_v1.directories(top_level, read, LIMITS, faults)
        assert {step.name for step in ordered} | faults.keys() == set(top_level) | faults.keys()
        seen: set[str] = set()
        for step in ordered:
            assert step.parent is None or step.parent in seen
            seen.add(step.name)
        claim = docker_v1.claim(ordered, DIFFS, read, LIMITS, faults)
    except InvalidInput as exc:
        assert exc.message.isprintable()
        return
    by_id = {image.config.image_id: image for image in claim.images}
    assert len(by_id) == len(claim.images)
    for image in claim.images:
        assert len(image.layers) == len(image.config.diff_ids) == len(image.config.history)
        if image.parent is not None:
            assert image.config.diff_ids[:-1] == by_id[image.parent].config.diff_ids
