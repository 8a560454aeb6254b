"""Layouts with invalid documents, or with documents that disagree with their blobs."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from store import errors
from tests.support.broken.case import Accepted, Case, Refused, of_layout, path_of, refused
from tests.support.images import A, B, layer
from tests.support.layouts import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    Layout,
    digest,
    encode,
    platform_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.layouts import Descriptor

NAME: Final = "docker.io/library/app:1"
LOADED: Final = ("Loaded image: app:1",)
CONTRADICTED: Final = (
    "a registry takes such an image; a note names it, it is never called verified, and it does not"
    " stop the other images"
)
KEPT: Final = "the manifest is kept as an artifact, as a registry takes it; a note says why"
OTHER: Final = layer("other", b"another layer, as long as A is")
ABSENT: Final = digest(b"absent")
SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def app(*layers: bytes) -> tuple[Layout, Descriptor]:
    """Return a layout of one image, and the descriptor of its manifest."""
    layout = Layout()
    return layout, layout.root(layout.image(*(layers or (A,))), NAME)


def changed(
    change: Callable[[dict[str, Any]], object],
    *,
    of: str = "manifest",
    listed: dict[str, Any] | None = None,
) -> Layout:
    """Return a layout with a changed manifest or config, whose descriptor has the new digest.

    ``listed`` is added to the manifest's descriptor in index.json.
    """
    layout = Layout()
    manifest = json.loads(layout.blobs.pop(layout.image(A)["digest"]))
    if of == "config":
        document = json.loads(layout.blobs.pop(manifest["config"]["digest"]))
        change(document)
        manifest["config"] = layout.document(document, CONFIG)
    else:
        change(manifest)
    layout.root(
        {
            **layout.document(manifest, MANIFEST),
            "platform": platform_fields("linux/amd64"),
            **(listed or {}),
        },
        NAME,
    )
    return layout


def contradicted(*notes: str) -> Accepted:
    """Return the result for an image whose layers contradict its config."""
    return Accepted(CONTRADICTED, LOADED, notes, ("contradiction",))


def texts(text: bytes, media_type: str = MANIFEST) -> Layout:
    """Return a layout whose only root is the document ``text``."""
    layout = Layout()
    layout.image(A)
    layout.root(layout.blob(text, media_type), NAME)
    return layout


def sound_manifest() -> bytes:
    """Return the manifest of an image with layer A, for tests that change the manifest's text."""
    layout = Layout()
    return layout.blobs[layout.image(A)["digest"]]


def _layer(**members: object) -> Layout:
    """Return a layout in which ``members`` replace members of the layer's descriptor."""
    return changed(lambda manifest: manifest["layers"][0].update(members))


def descriptors() -> Iterator[Case]:
    """Yield cases of invalid descriptors, and of descriptors that disagree with their blob."""

    def case(name: str, why: str, layout: Layout, expected: Refused | Accepted) -> Case:
        return Case(name, why, expected, of_layout(layout), in_folder=True)

    size = len(A)
    a = digest(A)
    yield case(
        "layer-size-too-small",
        "a layer is larger than its descriptor says",
        _layer(size=1),
        refused(errors.DigestMismatch, a, "layer 0", want=1, got=size),
    )
    yield case(
        "layer-size-too-large",
        "a layer is smaller than its descriptor says",
        _layer(size=size + 512),
        refused(errors.DigestMismatch, a, want=size + 512, got=size),
    )
    yield case(
        "layer-size-negative",
        "a negative size",
        _layer(size=-1),
        refused(errors.InvalidDocument, "layer 0", "the size is negative: -1"),
    )
    yield case(
        "layer-size-beyond-64-bits",
        "a size of 2^63 bytes",
        _layer(size=2**63),
        refused(errors.InvalidDocument, "layers[0].size", "64-bit integer", str(2**63)),
    )
    yield case(
        "layer-size-fraction",
        "a size of one and a half bytes",
        _layer(size=1.5),
        refused(errors.InvalidDocument, "layers[0].size", "number 1.5"),
    )
    yield case(
        "layer-size-text",
        "a size that is a string",
        _layer(size="1024"),
        refused(errors.InvalidDocument, "layers[0].size", 'string "1024"'),
    )
    yield case(
        "digest-upper-case",
        "a digest in capitals",
        _layer(digest=a.upper()),
        refused(errors.InvalidDocument, "layer 0", "invalid digest"),
    )
    yield case(
        "digest-md5",
        "a digest of an unsupported algorithm",
        _layer(digest="md5:" + "d4" * 16),
        refused(errors.InvalidDocument, "layer 0", "md5:d4d4"),
    )
    yield case(
        "digest-too-short",
        "a digest that lacks a digit",
        _layer(digest=a[:-1]),
        refused(errors.InvalidDocument, "layer 0", f"{a[:-1]!r}"),
    )
    yield case(
        "digest-is-a-path",
        "a digest that is a path out of blobs/",
        _layer(digest="sha256:../../../../etc/passwd"),
        refused(errors.InvalidDocument, "etc/passwd"),
    )
    yield case(
        "digest-missing",
        "a descriptor without a digest",
        changed(lambda m: m["layers"][0].pop("digest")),
        refused(errors.InvalidDocument, "layer 0", "invalid digest"),
    )
    yield case(
        "urls-no-list",
        "urls that are a string instead of a list",
        _layer(urls="https://example.org/a"),
        refused(errors.InvalidDocument, "layers[0].urls", "list of strings"),
    )
    yield case(
        "annotations-no-texts",
        "an annotation that is a number",
        _layer(annotations={"a": 1}),
        refused(errors.InvalidDocument, "layers[0].annotations", "number 1"),
    )
    yield case(
        "data-no-base64",
        "embedded data that is not base64",
        _layer(data="!"),
        refused(errors.InvalidDocument, "layer 0", "base64"),
    )
    yield case(
        "data-not-ascii",
        "embedded data with characters outside base64",
        _layer(data="é"),
        refused(errors.InvalidDocument, "layer 0", "ASCII"),
    )
    yield case(
        "data-too-short",
        "embedded data of a wrong size",
        _layer(data="e30="),
        refused(errors.DigestMismatch, "layer 0", "embedded data", want=size, got=2),
    )
    other = base64.b64encode(bytes(size)).decode()
    yield case(
        "data-of-something-else",
        "embedded data with a wrong digest",
        _layer(data=other),
        refused(errors.DigestMismatch, "layer 0", "embedded", want=a, got=digest(bytes(size))),
    )
    yield case(
        "media-type-lies",
        "an uncompressed layer with the media type of gzip",
        _layer(mediaType=LAYER + "+gzip"),
        Accepted("the codec is detected from the bytes; Docker itself pushes such layers", LOADED),
    )
    unknown = _layer(mediaType="application/vnd.example.layer+secret")
    yield case(
        "media-type-unknown",
        "a layer with an unknown media type",
        unknown,
        Accepted(
            "an artifact may hold any content; it is kept unchanged and is not an image", LOADED
        ),
    )


def manifests() -> Iterator[Case]:
    """Yield cases of invalid manifests, indexes and configs."""

    def case(name: str, why: str, layout: Layout, expected: Refused | Accepted) -> Case:
        return Case(name, why, expected, of_layout(layout), in_folder=True)

    invalid = errors.InvalidDocument
    yield case(
        "manifest-schema-1",
        "a manifest of Docker's schema 1",
        changed(lambda m: m.update(schemaVersion=1)),
        refused(invalid, "schema 1 manifests are not supported"),
    )
    yield case(
        "manifest-listed-as-schema-1",
        "a manifest that index.json lists with the media type of schema 1",
        changed(lambda _: None, listed={"mediaType": SCHEMA_1}),
        refused(invalid, "index.json", "schema 1 manifests are not supported"),
    )
    yield case(
        "manifest-schema-3",
        "an unknown schema version",
        changed(lambda m: m.update(schemaVersion=3)),
        refused(invalid, "invalid schemaVersion 3: expected 2"),
    )
    yield case(
        "manifest-without-schema",
        "a manifest without a schema version",
        changed(lambda m: m.pop("schemaVersion")),
        refused(invalid, "missing schemaVersion: expected 2"),
    )
    yield case(
        "manifest-and-index",
        "a document with the members of a manifest and of an index (CVE-2021-41190)",
        changed(lambda m: m.update(manifests=[])),
        refused(invalid, "of a manifest and of an index"),
    )
    yield case(
        "manifest-says-index",
        "a manifest with the media type of an index",
        changed(lambda m: m.update(mediaType=INDEX)),
        refused(invalid, INDEX, MANIFEST),
    )
    yield case(
        "manifest-of-unknown-type",
        "a text file listed in index.json",
        changed(lambda _: None, listed={"mediaType": "text/plain"}),
        Accepted(
            "content of any type may be listed (image-layout.md); it is kept by its digest",
            LOADED,
        ),
    )
    yield case(
        "manifest-without-config",
        "an image manifest without a config",
        changed(lambda m: m.pop("config")),
        refused(invalid, "has no config"),
    )
    yield case(
        "manifest-layers-no-list",
        "layers that are an object instead of a list",
        changed(lambda m: m.update(layers={})),
        refused(invalid, "layers: expected list"),
    )
    yield case(
        "manifest-layer-too-many",
        "one layer more than the config has diff IDs",
        changed(lambda m: m["layers"].append(m["layers"][0])),
        Accepted(KEPT, LOADED, ("has 2 layers", "has 1")),
    )
    yield case(
        "manifest-empty",
        "an empty manifest",
        texts(b""),
        refused(invalid, "invalid JSON", "the end of the text", "byte 0"),
    )
    yield case(
        "manifest-is-a-list",
        "a manifest that is an array",
        texts(b"[]"),
        refused(invalid, "found array"),
    )
    yield case(
        "manifest-of-nothing",
        "a manifest that is an empty object",
        texts(b'{"schemaVersion":2}', ""),
        refused(invalid, "neither a manifest"),
    )
    yield case(
        "manifest-cut",
        "a manifest that ends early",
        texts(sound_manifest()[:-1]),
        refused(invalid, "invalid JSON", "the end of the text"),
    )
    yield case(
        "manifest-trailing-junk",
        "a character after the manifest's end",
        texts(sound_manifest() + b"}"),
        refused(invalid, "the end of the text", "'}'"),
    )
    yield case(
        "manifest-byte-order-mark",
        "a manifest that begins with a byte order mark",
        texts(b"\xef\xbb\xbf" + sound_manifest()),
        refused(invalid, "byte 0", "\\xef"),
    )
    hidden = sound_manifest().replace(b'"layers":', b'"layers":[],"layers":')
    yield case(
        "manifest-key-twice",
        "the member layers twice: some readers use the first, others the last",
        texts(hidden),
        refused(invalid, "'layers'", "repeated"),
    )
    hidden = sound_manifest().replace(
        b'"layers":[{', b'"layers":[{"DIGEST":"%s",' % ABSENT.encode()
    )
    yield case(
        "digest-hidden-by-case",
        "a second digest under the key DIGEST, which only some readers use",
        texts(hidden),
        refused(invalid, "'DIGEST'", "'digest'"),
    )
    spoilt = sound_manifest()[:-1] + b',"annotations":{"a":"\xff"}}'
    yield case(
        "manifest-no-utf-8",
        "an annotation that is not UTF-8",
        texts(spoilt),
        Accepted("Go reads it; the bytes and the digest stay the same", LOADED),
    )
    odd = sound_manifest()[:-1] + b',"x":' + b"[" * 3000 + b"9" * 5000 + b"]" * 3000 + b"}"
    yield case(
        "manifest-odd-member",
        "an unknown member with deep nesting and a long number",
        texts(odd),
        Accepted("unknown members are kept with any value", LOADED),
    )
    deep = sound_manifest()[:-1] + b',"x":' + b"[" * 10_001 + b"]" * 10_001 + b"}"
    yield case(
        "manifest-nested-too-deep",
        "an unknown member nested more than ten thousand levels deep",
        texts(deep),
        refused(invalid, "10000 levels of nesting"),
    )
    yield case(
        "config-without-rootfs",
        "a config without rootfs",
        changed(lambda c: c.pop("rootfs"), of="config"),
        Accepted(KEPT, LOADED, ("no RootFS key", "config sha256:")),
    )
    wrong = changed(lambda c: c["rootfs"].update(diff_ids=["sha256:x"]), of="config")
    yield case(
        "config-bad-diff-id",
        "a diff ID that is not a digest",
        wrong,
        Accepted(KEPT, LOADED, ("rootfs.diff_ids[0]", "'sha256:x'")),
    )
    longer = changed(
        lambda c: c.update(history=[{"created_by": "1"}, {"created_by": "2"}]), of="config"
    )
    yield case(
        "config-too-much-history",
        "a history of two layers for an image with one",
        longer,
        Accepted(KEPT, LOADED, ("History section: 2", "1 layer")),
    )
    yield case(
        "config-bad-time",
        "a creation time in month 13",
        changed(lambda c: c.update(created="2020-13-01T00:00:00Z"), of="config"),
        Accepted(KEPT, LOADED, ("created", "month")),
    )
    other = changed(lambda c: c["rootfs"].update(diff_ids=[digest(B)]), of="config")
    yield case(
        "config-of-another-image",
        "a layer whose diff ID differs from the config",
        other,
        contradicted(f"decodes to {digest(A)}", f"config has {digest(B)}"),
    )


def blobs() -> Iterator[Case]:
    """Yield cases of missing and damaged blobs."""
    layout, root = app(A, B)
    manifest = json.loads(layout.blobs[root["digest"]])
    config_digest = manifest["config"]["digest"]

    def without(*digests: str) -> tuple[Any, ...]:
        return of_layout(layout, without=tuple(map(path_of, digests)))

    def spoilt(name: str, data: bytes) -> tuple[Any, ...]:
        broken = Layout(dict(layout.blobs), layout.roots)
        broken.blobs[name] = data
        return of_layout(broken)

    def case(name: str, why: str, entries: tuple[Any, ...], expected: Refused | Accepted) -> Case:
        return Case(name, why, expected, entries, in_folder=True)

    yield case(
        "layer-missing",
        "a missing layer",
        without(digest(B)),
        refused(errors.MissingBlobs, "layer 1", root["digest"], digest(B)),
    )
    yield case(
        "layers-missing",
        "two missing layers",
        without(digest(A), digest(B)),
        refused(errors.MissingBlobs, "2 blob(s)", digest(A), digest(B)),
    )
    yield case(
        "config-missing",
        "a missing config",
        without(config_digest),
        refused(errors.InvalidArchive, config_digest, root["digest"]),
    )
    yield case(
        "manifest-missing",
        "a missing manifest that index.json lists",
        without(root["digest"]),
        refused(errors.InvalidArchive, root["digest"], "index.json"),
    )
    damaged = A[:600] + b"?" + A[601:]
    yield case(
        "layer-damaged",
        "a layer with one changed byte",
        spoilt(digest(A), damaged),
        refused(errors.DigestMismatch, "layer 0", want=digest(A), got=digest(damaged)),
    )
    data = layout.blobs[config_digest].replace(b"amd64", b"arm64")
    yield case(
        "config-damaged",
        "a config with a changed value",
        spoilt(config_digest, data),
        refused(errors.DigestMismatch, want=config_digest, got=digest(data)),
    )
    lying = Layout(dict(layout.blobs), [{**layout.roots[0], "size": 7}])
    wrong = refused(errors.DigestMismatch, "index.json", root["digest"], want=7, got=root["size"])
    yield case(
        "manifest-size-lies", "a wrong size of the manifest in index.json", of_layout(lying), wrong
    )
    data = layout.blobs[root["digest"]].replace(b"schema", b"Schema")
    yield case(
        "manifest-damaged",
        "a manifest with one changed byte",
        spoilt(root["digest"], data),
        refused(errors.DigestMismatch, want=root["digest"], got=digest(data)),
    )
    yield case(
        "layer-empty",
        "an empty file in place of a layer",
        spoilt(digest(A), b""),
        refused(errors.DigestMismatch, want=len(A), got=0),
    )
    long = Layout()
    long.root(long.image(A, algorithm="sha512"), NAME)
    name = digest(A, "sha512")
    long.blobs[name] = damaged
    yield case(
        "sha512-mismatch",
        "a layer that does not have its sha512 digest",
        of_layout(long),
        refused(errors.DigestMismatch, want=name, got=digest(damaged, "sha512")),
    )
    itself = Layout()
    text = encode(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{"mediaType": INDEX, "digest": ABSENT, "size": 230}],
        }
    )
    itself.root({"mediaType": INDEX, "digest": ABSENT, "size": len(text)}, NAME)
    itself.blobs[ABSENT] = text
    yield case(
        "index-names-itself",
        "an index that lists itself, under a wrong digest",
        of_layout(itself),
        refused(errors.DigestMismatch, want=ABSENT, got=digest(text)),
    )
    circle = Layout()
    first, second = (
        {"mediaType": MANIFEST, "digest": digest(side), "size": 500} for side in (b"1", b"2")
    )
    for here, there in ((first, second), (second, first)):
        text = encode(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": ABSENT, "size": 2},
                "layers": [],
                "subject": there,
            }
        )
        circle.blobs[str(here["digest"])] = text.ljust(500)
        circle.root(here)
    yield case(
        "subject-cycle",
        "two manifests that are each other's subject, under wrong digests",
        of_layout(circle),
        refused(errors.DigestMismatch, want=first["digest"]),
    )
    subject = Layout()
    image = subject.root(subject.image(A), NAME)
    subject.root(subject.artifact(b"signed", subject={**image, "size": 7}))
    yield case(
        "subject-size-lies",
        "a referrer with a wrong size of its subject",
        of_layout(subject),
        refused(errors.DigestMismatch, image["digest"], want=7, got=image["size"]),
    )
    nowhere = Layout()
    nowhere.root(
        nowhere.artifact(b"signed", subject={"mediaType": MANIFEST, "digest": ABSENT, "size": 7}),
        NAME,
    )
    yield case(
        "subject-absent",
        "a referrer whose subject is missing",
        of_layout(nowhere),
        Accepted("the specification allows a missing subject", LOADED),
    )


def cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from descriptors()
    yield from manifests()
    yield from blobs()
