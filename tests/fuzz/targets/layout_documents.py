"""The documents of OCI layouts and ``dir:`` folders, and of layouts with a ``manifest.json``.

The target reads the claims of the documents and chooses some of the images.

The input is index.json and the blobs, separated by NULs. ``@1`` is replaced by the digest of the
next blob, ``%1`` by its size, ``&1`` by its path. So a fuzzer can build graphs without knowing
SHA-256. Later blobs are resolved first, so a cycle needs a digest written in full.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from store import Choice, Platform, Reference
from store.errors import InvalidInput
from store.formats.archives import docker, docker_and_oci, oci_layout
from store.formats.archives.selection import ALL, choose
from store.formats.image.described_image import claims_image
from store.formats.image.manifests import Document, Role
from store.model.digests import Digest
from store.model.limits import Limits
from tests.support.images import A, config
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from store.formats.archives.claims import ArchiveClaim

MAX_BYTES: Final = 6000
LIMITS: Final = Limits(json_depth=100, members=50)
_MARK: Final = re.compile(rb"([@%&])([1-9])")


def _to(number: int, media_type: str, **members: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"@{number}", "size": f"%{number}", **members}


def _seed(*documents: object) -> bytes:
    texts = [
        one if isinstance(one, bytes) else json.dumps(one, separators=(",", ":")).encode()
        for one in documents
    ]
    return b"\0".join(re.sub(rb'"%([1-9])"', rb"%\1", text) for text in texts)


_MANIFEST: Final = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": _to(1, CONFIG),
    "layers": [_to(2, LAYER)],
}
_PLATFORM: Final = {"os": "linux", "architecture": "amd64"}
SEEDS: Final = (
    _seed(
        {
            "schemaVersion": 2,
            "manifests": [
                _to(1, MANIFEST, annotations={"org.opencontainers.image.ref.name": "app:1"})
            ],
        },
        _MANIFEST,
        config(A),
        A[:20],
    ),
    _seed(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                _to(1, INDEX, annotations={"io.containerd.image.name": "docker.io/library/a:1"})
            ],
        },
        {
            "schemaVersion": 2,
            "manifests": [
                _to(1, MANIFEST, platform=_PLATFORM),
                _to(2, MANIFEST, platform={"os": "unknown", "architecture": "unknown"}),
            ],
        },
        {
            **_MANIFEST,
            "config": _to(2, CONFIG),
            "layers": [_to(3, LAYER)],
            "annotations": {"k": "v"},
        },
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example",
            "config": _to(3, "application/vnd.oci.empty.v1+json", data="e30="),
            "layers": [_to(1, "text/plain")],
            "subject": _to(2, MANIFEST),
        },
        config(A),
        A[:20],
        b"{}",
    ),
    _seed({"schemaVersion": 2, "manifests": [_to(1, MANIFEST)]}, _MANIFEST, config(A), b"layer")
    + b'\0[{"Config":"&2","RepoTags":["h:1"],"Layers":["&3"]}]',
    _seed(
        {
            "schemaVersion": 2,
            "manifests": [{**_to(1, MANIFEST), "digest": "sha512:" + "0" * 128, "size": -1}],
        },
        b"{}",
    ),
    _seed({"schemaVersion": 1}, b""),
)
TOKENS: Final = (
    b"\0",
    b"@1",
    b"@2",
    b"%1",
    b"%2",
    b"&1",
    b"&2",
    b'"schemaVersion":2',
    b'"mediaType":"',
    b'"manifests":[',
    b'"layers":[',
    b'"config":{',
    b'"subject":{',
    b'"blobs":[',
    b'"annotations":{',
    b'"data":"e30="',
    b'"urls":["https://x"]',
    b'"platform":{',
    b'"artifactType":"',
    MANIFEST.encode(),
    INDEX.encode(),
    CONFIG.encode(),
    LAYER.encode(),
    b"application/vnd.docker.distribution.manifest.list.v2+json",
    b"application/vnd.docker.distribution.manifest.v1+prettyjws",
    b"org.opencontainers.image.ref.name",
    b"io.containerd.image.name",
    b"vnd.docker.reference.digest",
    b'"RepoTags":["',
    b'"Config":"',
    b'"Layers":["',
)
CHOICES: Final = (
    ALL,
    Choice(
        platforms=(Platform.parse("linux/amd64"), Platform.parse("linux/arm/v7")), require_all=True
    ),
    Choice(images=("app*", "docker.io/*/a")),
    Choice(tag=Reference.parse("new:name")),
    Choice(prefix="team/"),
    Choice(no_tags=True, images=("*",)),
)


def check(data: bytes) -> None:
    """Check that the result is a consistent claim or a StoreError."""
    blobs = _resolved(data.split(b"\0", 9))
    _alone(blobs[0])
    table = next((blob for blob in blobs[1:] if blob.lstrip().startswith(b"[")), None)
    named = {Digest.of(blob): blob for blob in blobs[1:]}
    files = {f"blobs/sha256/{digest.hex}": blob for digest, blob in named.items()}
    in_layout = MemoryFiles(
        {
            **files,
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": blobs[0],
            **({"manifest.json": table} if table else {}),
        }
    )
    in_folder = MemoryFiles(
        {**{digest.hex: blob for digest, blob in named.items()}, "manifest.json": blobs[0]}
    )
    try:
        claim = oci_layout.claim(in_layout, LIMITS, lambda _: None)
    except InvalidInput as exc:
        assert exc.message.isprintable()
    else:
        _sound(claim)
        if table is not None:
            claim = _both(claim, in_layout) or claim
        for choice in CHOICES:
            _chosen(claim, choice)
    try:
        _sound(oci_layout.claim_dir(in_folder, LIMITS, named.get))
    except InvalidInput as exc:
        assert exc.message.isprintable()


def _resolved(documents: list[bytes]) -> list[bytes]:
    """Return the documents with their marks replaced; the last document is resolved first."""
    made: list[bytes] = []
    for document in reversed(documents):
        behind = made[::-1]

        def what(mark: re.Match[bytes], behind: list[bytes] = behind) -> bytes:
            number = int(mark[2]) - 1
            if number >= len(behind):
                return mark[0]
            digest = Digest.of(behind[number])
            return {
                b"@": str(digest),
                b"%": str(len(behind[number])),
                b"&": f"blobs/sha256/{digest.hex}",
            }[mark[1]].encode()

        made.append(_MARK.sub(what, document))
    return made[::-1]


def _alone(data: bytes) -> None:
    try:
        document = Document.parse(data, limits=LIMITS, name="it")
    except InvalidInput as exc:
        assert exc.message.isprintable()
        return
    assert document.digest == Digest.of(data)
    assert not (document.children and document.layers)
    for role in Role:
        assert [link.position for link in document.of_role(role)] == list(
            range(len(document.of_role(role)))
        )
    for link in document.links:
        assert link.data is None or Digest.of(link.data, link.digest.algorithm) == link.digest
        assert link.made_for is None or link.made_for.matches(link.made_for)
    document.effective_artifact_type  # noqa: B018 - evaluated for its errors only
    assert not claims_image(document) or document.config is not None


def _sound(claim: ArchiveClaim) -> None:
    graph = claim.graph
    # A document with a fault refuses the import only if it is chosen.
    known = {*graph.documents, *graph.faults}
    for root in graph.roots:
        assert root.digest in known
        assert set(graph.below(root.digest)) <= known
        assert not any(Reference.parse(name).is_name_only for name in root.names)
    for digest, document in graph.documents.items():
        assert Digest.of(document.data, digest.algorithm) == digest
    assert set(graph.configs) <= set(graph.documents)
    order = list(graph.documents)
    for digest, document in graph.documents.items():
        assert all(
            order.index(link.digest) < order.index(digest)
            for link in document.children
            if link.is_document and link.digest in graph.documents
        )


def _both(claim: ArchiveClaim, files: MemoryFiles) -> ArchiveClaim | None:
    no_images, unfit = docker_and_oci.artifact_configs(claim.graph)
    try:
        both = docker_and_oci.reconcile(
            claim, docker.claim(files.document, LIMITS, no_images=no_images, unfit=unfit)
        )
    except InvalidInput as exc:
        assert exc.message.isprintable()
        return None
    _sound(both)
    return both


def _chosen(claim: ArchiveClaim, choice: Choice) -> None:
    try:
        chosen = choose(claim, choice)
    except InvalidInput as exc:
        assert exc.message.isprintable()
        return
    assert set(chosen.graph.documents) <= set(claim.graph.documents)
    assert {root.digest for root in chosen.graph.roots} <= set(chosen.graph.documents)
    assert not (choice.no_tags and any(root.names for root in chosen.graph.roots))
