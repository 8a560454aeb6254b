"""Odd images, artifacts and indexes that a client may push, drawn by Hypothesis.

Each push is a valid request of the distribution specification. A registry does not look into
configs and layers, so everything else about them may be wrong.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import zstandard
from hypothesis import strategies as st

from store.formats.image.media_types import DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST
from store.model.digests import Digest
from tests.support.images import A, B, E, layer
from tests.support.layouts import (
    CONFIG,
    EMPTY,
    FOREIGN_LAYER,
    INDEX,
    LAYER,
    MANIFEST,
    encode,
    platform_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DIFFS: Final = (
    A,
    B,
    E,
    layer("large", b"0123456789abcdef" * 9_000),
    b"",
    b"no tar",
    b"no tar, and more than one header long" * 30,
    gzip.compress(A, mtime=0),
    A[:1500],
)
"""What the layers decode to: tars, and bytes that are none."""

ENCODINGS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    bytes,
    lambda data: gzip.compress(data, mtime=0),
    zstandard.ZstdCompressor().compress,
    bz2.compress,
    lzma.compress,
    lambda data: gzip.compress(data, mtime=0)[:-5],
    lambda data: gzip.compress(data, mtime=0) + b"junk",
    lambda data: gzip.compress(gzip.compress(data, mtime=0), mtime=0),
)
REPOSITORIES: Final = (
    "docker.io/team/app",
    "example.org:5000/deep/er/app",
    "docker.io/library/app",
)
TAGS: Final = ("1", "latest", "sha256-" + "0" * 64 + ".sig")
PLATFORMS: Final = ("linux/amd64", "linux/arm64", "windows/amd64", "linux/arm/v7")
CONFIG_TYPES: Final = (CONFIG, CONFIG, CONFIG, DOCKER_CONFIG, EMPTY, "application/vnd.example")
LAYER_TYPES: Final = (
    LAYER,
    LAYER,
    f"{LAYER}+gzip",
    f"{LAYER}+zstd",
    FOREIGN_LAYER,
    f"{LAYER}+encrypted",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "",
)
ABSENT: Final = b"nobody has this"
URL: Final = "https://example.org/blob"


class Pusher(Protocol):
    """A registry that takes pushes."""

    def push_blob(self, repository: str, data: bytes, algorithm: str) -> None:
        """Push a blob."""

    def push_manifest(
        self, repository: str, data: bytes, *, media_type: str, algorithm: str, tag: str | None
    ) -> bool:
        """Push a manifest or index; return whether the registry takes it."""


@dataclass(frozen=True)
class OddLayer:
    """A layer: its diff and encoding, and how its descriptor tells it."""

    diff: int
    encoding: int
    media_type: str
    algorithm: str
    is_foreign: bool
    has_data: bool

    @property
    def blob(self) -> bytes:
        return ENCODINGS[self.encoding](DIFFS[self.diff])


@dataclass(frozen=True)
class OddManifest:
    """A manifest with the faults of its config and of its descriptors."""

    layers: tuple[OddLayer, ...]
    fault: str
    diff_algorithm: str
    config_type: str
    media_type: str
    states_type: bool
    algorithm: str
    platform: str
    members: tuple[str, ...]
    subject: int


@dataclass(frozen=True)
class OddIndex:
    """An index of earlier documents; ``children`` has (which, what the descriptor says)."""

    children: tuple[tuple[int, str], ...]
    media_type: str
    states_type: bool
    algorithm: str
    subject: int


@dataclass(frozen=True)
class OddPush:
    """A push of one document to a repository, by a tag or by its digest."""

    document: OddManifest | OddIndex
    tag: str | None


@dataclass(frozen=True)
class Program:
    """Pushes to one or more repositories, one after another."""

    repositories: tuple[str, ...]
    pushes: tuple[OddPush, ...]


@dataclass
class Taken:
    """A document that a registry has taken."""

    repository: str
    tag: str | None
    data: bytes
    digest: Digest
    media_type: str
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}" if self.tag else f"{self.repository}@{self.digest}"


FAULTS: Final = (
    "none",
    "none",
    "none",
    "empty-object",
    "no-bytes",
    "no-json",
    "no-rootfs",
    "one-diff-more",
    "one-diff-less",
    "other-diffs",
    "swapped",
    "diffs-of-blobs",
    "odd-diff",
    "odd-type",
    "twice",
    "history",
    "history-too-long",
    "labels",
    "no-platform",
    "odd-time",
    "nanoseconds",
    "unknown-members",
    "not-utf-8",
    "html",
)

LAYERS: Final = st.builds(
    OddLayer,
    st.integers(0, len(DIFFS) - 1) | st.integers(0, 2),
    st.integers(0, len(ENCODINGS) - 1) | st.integers(0, 2),
    st.sampled_from(LAYER_TYPES[:4]) | st.sampled_from(LAYER_TYPES),
    st.sampled_from(("sha256", "sha256", "sha512")),
    st.sampled_from((False, False, False, True)),
    st.sampled_from((False, False, False, True)),
)
MANIFESTS: Final = st.builds(
    OddManifest,
    st.lists(LAYERS, max_size=3).map(tuple),
    st.sampled_from(FAULTS),
    st.sampled_from(("sha256", "sha256", "sha512")),
    st.sampled_from(CONFIG_TYPES),
    st.sampled_from((MANIFEST, MANIFEST, DOCKER_MANIFEST)),
    st.booleans(),
    st.sampled_from(("sha256", "sha256", "sha512")),
    st.sampled_from(PLATFORMS),
    st.lists(
        st.sampled_from(("artifactType", "annotations", "ref-name", "unknown", "config-data")),
        max_size=2,
        unique=True,
    ).map(tuple),
    st.integers(-6, 5),
)
INDEXES: Final = st.builds(
    OddIndex,
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(
                (
                    "right",
                    "right",
                    "platform",
                    "platform",
                    "untyped",
                    "other-type",
                    "unknown-type",
                    "absent",
                    "blob",
                    "attestation",
                )
            ),
        ),
        max_size=4,
    ).map(tuple),
    st.sampled_from((INDEX, INDEX, DOCKER_LIST)),
    st.booleans(),
    st.sampled_from(("sha256", "sha256", "sha512")),
    st.integers(-6, 5),
)
PROGRAMS: Final = st.builds(
    Program,
    st.lists(st.sampled_from(REPOSITORIES), min_size=1, max_size=2, unique=True).map(tuple),
    st.lists(
        st.builds(
            OddPush,
            st.one_of(MANIFESTS, MANIFESTS, INDEXES),
            st.sampled_from((*TAGS, None)),
        ),
        min_size=1,
        max_size=5,
    ).map(tuple),
)


def run(program: Program, pusher: Pusher) -> list[Taken]:
    """Push everything; return the documents that the registry has taken, in their order."""
    taken: list[Taken] = []
    for push in program.pushes:
        for repository in program.repositories:
            earlier = [one for one in taken if one.repository == repository]
            blobs, document = (
                _manifest(push.document, earlier)
                if isinstance(push.document, OddManifest)
                else _index(push.document, earlier)
            )
            for data, algorithm in blobs:
                pusher.push_blob(repository, data, algorithm)
            made, data = push.document, encode(document)
            if pusher.push_manifest(
                repository,
                data,
                media_type=made.media_type,
                algorithm=made.algorithm if push.tag is None else "sha256",
                tag=push.tag,
            ):
                digest = Digest.of(data, made.algorithm if push.tag is None else "sha256")
                taken.append(Taken(repository, push.tag, data, digest, made.media_type))
    return taken


def _descriptor(
    content: bytes, media_type: str, algorithm: str, **members: object
) -> dict[str, Any]:
    digest = str(Digest.of(content, algorithm))
    typed = {"mediaType": media_type} if media_type else {}
    return {**typed, "digest": digest, "size": len(content), **members}


def _manifest(
    made: OddManifest, earlier: Sequence[Taken]
) -> tuple[list[tuple[bytes, str]], dict[str, Any]]:
    config = config_of(made)
    blobs = [(config, made.algorithm)]
    layers = []
    for one in made.layers:
        more: dict[str, object] = {}
        if one.has_data and not one.is_foreign:
            # The bytes of an embedded layer are enough for an import, and a push does not use them.
            more["data"] = base64.b64encode(one.blob).decode()
        if one.is_foreign:
            more["urls"] = [URL]
        else:
            blobs.append((one.blob, one.algorithm))
        layers.append(_descriptor(one.blob, one.media_type, one.algorithm, **more))
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "config": _descriptor(config, made.config_type, made.algorithm),
        "layers": layers,
        **_subject(made.subject, earlier),
    }
    if made.states_type:
        document["mediaType"] = made.media_type
    if "config-data" in made.members:
        document["config"]["data"] = base64.b64encode(config).decode()
    if "artifactType" in made.members:
        document["artifactType"] = "application/vnd.example.thing"
    if "annotations" in made.members:
        document["annotations"] = {"a": "é<&>", "b": ""}
    if "ref-name" in made.members:
        document["annotations"] = {
            "org.opencontainers.image.ref.name": "other:2",
            "io.containerd.image.name": "docker.io/library/other:3",
        }
    if "unknown" in made.members:
        document["x"] = [1, 2.5, None, {"blobs": 1}]
    return blobs, document


def config_of(made: OddManifest) -> bytes:
    """Return the bytes of a manifest's config, with its fault."""
    diffs = [str(Digest.of(DIFFS[one.diff], made.diff_algorithm)) for one in made.layers]
    blobs = [str(Digest.of(one.blob, one.algorithm)) for one in made.layers]
    fixed = {"empty-object": b"{}", "no-bytes": b"", "no-json": b"#!/bin/sh\n"}
    if made.fault in fixed:
        return fixed[made.fault]
    listed: dict[str, list[str]] = {
        "one-diff-more": [*diffs, str(Digest.of(A))],
        "one-diff-less": diffs[:-1],
        "other-diffs": [str(Digest.of(b"other"))] * len(diffs),
        "swapped": diffs[::-1],
        "diffs-of-blobs": blobs,
        "odd-diff": ["sha256:x"] * len(diffs),
    }
    config: dict[str, Any] = {
        **platform_fields(made.platform),
        "created": "2024-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": listed.get(made.fault, diffs)},
    }
    step = {"created": "2024-01-01T00:00:00Z", "created_by": "make"}
    changes: Mapping[str, dict[str, Any]] = {
        "odd-type": {"architecture": 5},
        "history": {"history": [step, {**step, "empty_layer": True}][: len(diffs)]},
        "history-too-long": {"history": [step] * (len(diffs) + 1)},
        "labels": {"config": {"Labels": {str(number): "é<&>" for number in range(30)}}},
        "no-platform": {"architecture": "", "os": ""},
        "odd-time": {"created": "yesterday"},
        "nanoseconds": {"created": "1969-12-31T23:59:59.999999999-01:00"},
        "unknown-members": {"x": [1, 2.5, None], "OS": "plan9"},
        "html": {"author": "<&>\u2028", "config": {"Cmd": ["<script>"]}},
    }
    config |= changes.get(made.fault, {})
    if made.fault == "no-rootfs":
        del config["rootfs"]
    data = encode(config)
    if made.fault == "twice":
        data = data[:-1] + b',"rootfs":{"type":"layers","diff_ids":[]}}'
    if made.fault == "not-utf-8":
        data = data[:-1] + b',"author":"\xff"}'
    return data


def _subject(which: int, earlier: Sequence[Taken]) -> dict[str, Any]:
    if which < -1:
        return {}
    if which == -1 or not earlier:
        return {"subject": _descriptor(ABSENT, MANIFEST, "sha256")}
    one = earlier[which % len(earlier)]
    return {"subject": _descriptor(one.data, one.media_type, one.digest.algorithm)}


def _index(
    made: OddIndex, earlier: Sequence[Taken]
) -> tuple[list[tuple[bytes, str]], dict[str, Any]]:
    blobs: list[tuple[bytes, str]] = []
    children: list[dict[str, Any]] = []
    for number, (which, how) in enumerate(made.children):
        if how == "absent" or not earlier:
            children.append(
                _descriptor(
                    ABSENT + b"%d" % number,
                    MANIFEST,
                    "sha256",
                    platform={"os": "linux", "architecture": "s390x"},
                )
            )
            continue
        if how == "blob":
            blobs.append((b"a blob", "sha256"))
            children.append(_descriptor(b"a blob", "text/plain", "sha256"))
            continue
        one = earlier[which % len(earlier)]
        media_type = {
            "untyped": "",
            "other-type": DOCKER_MANIFEST if one.media_type != DOCKER_MANIFEST else INDEX,
            "unknown-type": "application/vnd.example.index",
        }.get(how, one.media_type)
        more: dict[str, object] = {}
        if how == "platform":
            more["platform"] = platform_fields(PLATFORMS[number % len(PLATFORMS)])
        if how == "attestation":
            more["platform"] = {"os": "unknown", "architecture": "unknown"}
            more["annotations"] = {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": str(earlier[0].digest),
            }
        children.append(_descriptor(one.data, media_type, one.digest.algorithm, **more))
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "manifests": children,
        **_subject(made.subject, earlier),
    }
    if made.states_type:
        document["mediaType"] = made.media_type
    return blobs, document
