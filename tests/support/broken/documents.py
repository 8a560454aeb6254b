"""Layouts whose documents are wrong, or say something wrong of what they point at."""

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
OTHER: Final = layer("other", b"another layer, as long as A is")
ABSENT: Final = digest(b"absent")
SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def app(*layers: bytes) -> tuple[Layout, Descriptor]:
    """A layout of one image, and the descriptor of its manifest."""
    layout = Layout()
    return layout, layout.root(layout.image(*(layers or (A,))), NAME)


def changed(
    change: Callable[[dict[str, Any]], object],
    *,
    of: str = "manifest",
    listed: dict[str, Any] | None = None,
) -> Layout:
    """A layout whose manifest or config was changed before it was stored under its digest.

    ``listed`` is added to its descriptor in index.json.
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


def texts(text: bytes, media_type: str = MANIFEST) -> Layout:
    """A layout whose one root is ``text``, whatever that may be."""
    layout = Layout()
    layout.image(A)
    layout.root(layout.blob(text, media_type), NAME)
    return layout


def sound_manifest() -> bytes:
    """The manifest of an image of A, in a layout that `texts` makes."""
    layout = Layout()
    return layout.blobs[layout.image(A)["digest"]]


def _layer(**members: object) -> Layout:
    """A layout whose manifest says something else of its layer."""
    return changed(lambda manifest: manifest["layers"][0].update(members))


def descriptors() -> Iterator[Case]:
    """What a descriptor says, and the blob does not."""

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
        "a size below zero",
        _layer(size=-1),
        refused(errors.InvalidDocument, "layer 0", "negative size -1"),
    )
    yield case(
        "layer-size-beyond-64-bits",
        "a size of 2^63",
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
        "a size in quotes",
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
        "a digest of an algorithm nobody may use",
        _layer(digest="md5:" + "d4" * 16),
        refused(errors.InvalidDocument, "layer 0", "md5:d4d4"),
    )
    yield case(
        "digest-too-short",
        "a digest with a digit lost",
        _layer(digest=a[:-1]),
        refused(errors.InvalidDocument, "layer 0", f"{a[:-1]!r}"),
    )
    yield case(
        "digest-is-a-path",
        "a digest that would lead out of blobs/",
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
        "urls that are one text",
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
        "embedded data that is no base64",
        _layer(data="!"),
        refused(errors.InvalidDocument, "layer 0", "base64"),
    )
    yield case(
        "data-not-ascii",
        "embedded data with letters that base64 has not",
        _layer(data="é"),
        refused(errors.InvalidDocument, "layer 0", "ASCII"),
    )
    yield case(
        "data-too-short",
        "embedded data of another size",
        _layer(data="e30="),
        refused(errors.DigestMismatch, "layer 0", "embedded data", want=size, got=2),
    )
    other = base64.b64encode(bytes(size)).decode()
    yield case(
        "data-of-something-else",
        "embedded data with another digest",
        _layer(data=other),
        refused(errors.DigestMismatch, "layer 0", "embedded", want=a, got=digest(bytes(size))),
    )
    yield case(
        "media-type-lies",
        "a plain layer that is called gzip",
        _layer(mediaType=LAYER + "+gzip"),
        Accepted("the codec is found from the bytes; Docker's own pushes say so", LOADED),
    )
    unknown = _layer(mediaType="application/vnd.example.layer+secret")
    yield case(
        "media-type-unknown",
        "a layer of a type that nobody knows",
        unknown,
        Accepted("an artifact may hold anything: it is kept as it is, and is no image", LOADED),
    )


def manifests() -> Iterator[Case]:
    """What a manifest, an index or a config is, and should not be."""

    def case(name: str, why: str, layout: Layout, expected: Refused | Accepted) -> Case:
        return Case(name, why, expected, of_layout(layout), in_folder=True)

    invalid = errors.InvalidDocument
    yield case(
        "manifest-schema-1",
        "a manifest of Docker's first schema",
        changed(lambda m: m.update(schemaVersion=1)),
        refused(invalid, "schema 1 manifest"),
    )
    yield case(
        "manifest-listed-as-schema-1",
        "index.json calls it one of the first schema",
        changed(lambda _: None, listed={"mediaType": SCHEMA_1}),
        refused(invalid, "index.json", "schema 1 manifest"),
    )
    yield case(
        "manifest-schema-3",
        "a schema that is not there yet",
        changed(lambda m: m.update(schemaVersion=3)),
        refused(invalid, "invalid schemaVersion 3: expected 2"),
    )
    yield case(
        "manifest-without-schema",
        "a manifest that does not say which schema",
        changed(lambda m: m.pop("schemaVersion")),
        refused(invalid, "missing schemaVersion: expected 2"),
    )
    yield case(
        "manifest-and-index",
        "the members of both (CVE-2021-41190)",
        changed(lambda m: m.update(manifests=[])),
        refused(invalid, "of a manifest and of an index"),
    )
    yield case(
        "manifest-says-index",
        "a manifest whose media type is an index's",
        changed(lambda m: m.update(mediaType=INDEX)),
        refused(invalid, INDEX, MANIFEST),
    )
    yield case(
        "manifest-of-unknown-type",
        "index.json points at a text",
        changed(lambda _: None, listed={"mediaType": "text/plain"}),
        refused(invalid, "'text/plain'", "index.json"),
    )
    yield case(
        "manifest-without-config",
        "an image manifest without a config",
        changed(lambda m: m.pop("config")),
        refused(invalid, "has no config"),
    )
    yield case(
        "manifest-layers-no-list",
        "layers that are one object",
        changed(lambda m: m.update(layers={})),
        refused(invalid, "layers: expected list"),
    )
    yield case(
        "manifest-layer-too-many",
        "one layer more than the config has",
        changed(lambda m: m["layers"].append(m["layers"][0])),
        refused(invalid, "has 2 layers", "has 1"),
    )
    yield case(
        "manifest-empty",
        "a manifest of no bytes",
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
        "something behind the manifest",
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
        "layers twice: readers differ in which they take",
        texts(hidden),
        refused(invalid, "'layers'", "repeated"),
    )
    hidden = sound_manifest().replace(
        b'"layers":[{', b'"layers":[{"DIGEST":"%s",' % ABSENT.encode()
    )
    yield case(
        "digest-hidden-by-case",
        "a digest in another spelling, which only some readers take",
        texts(hidden),
        refused(invalid, "'DIGEST'", "'digest'"),
    )
    spoilt = sound_manifest()[:-1] + b',"annotations":{"a":"\xff"}}'
    yield case(
        "manifest-no-utf-8",
        "an annotation that is not UTF-8",
        texts(spoilt),
        Accepted("Go reads it; the bytes stay as they are, and so does the digest", LOADED),
    )
    odd = sound_manifest()[:-1] + b',"x":' + b"[" * 3000 + b"9" * 5000 + b"]" * 3000 + b"}"
    yield case(
        "manifest-odd-member",
        "an unknown member of brackets and digits",
        texts(odd),
        Accepted("unknown members are kept, whatever they hold", LOADED),
    )
    deep = sound_manifest()[:-1] + b',"x":' + b"[" * 10_001 + b"]" * 10_001 + b"}"
    yield case(
        "manifest-nested-too-deep",
        "an unknown member of ten thousand brackets",
        texts(deep),
        refused(invalid, "10000 levels of nesting"),
    )
    yield case(
        "config-without-rootfs",
        "a config without rootfs",
        changed(lambda c: c.pop("rootfs"), of="config"),
        refused(invalid, "no RootFS key", "config sha256:"),
    )
    wrong = changed(lambda c: c["rootfs"].update(diff_ids=["sha256:x"]), of="config")
    yield case(
        "config-bad-diff-id",
        "a diff ID that is none",
        wrong,
        refused(invalid, "rootfs.diff_ids[0]", "'sha256:x'"),
    )
    told = changed(
        lambda c: c.update(history=[{"created_by": "1"}, {"created_by": "2"}]), of="config"
    )
    yield case(
        "config-too-much-history",
        "the history tells of two layers, and there is one",
        told,
        refused(invalid, "History section: 2", "1 layer"),
    )
    yield case(
        "config-bad-time",
        "a month of thirteen",
        changed(lambda c: c.update(created="2020-13-01T00:00:00Z"), of="config"),
        refused(invalid, "created", "month"),
    )
    other = changed(lambda c: c["rootfs"].update(diff_ids=[digest(B)]), of="config")
    yield case(
        "config-of-another-image",
        "the layer is not what the config says",
        other,
        refused(errors.DigestMismatch, digest(A), want=digest(B), got=digest(A)),
    )


def blobs() -> Iterator[Case]:
    """Blobs that are missing or damaged, and roots that lead nowhere."""
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
        "a layer is not in the layout",
        without(digest(B)),
        refused(errors.MissingBlobs, "layer 1", root["digest"], digest(B)),
    )
    yield case(
        "layers-missing",
        "no layer is in the layout",
        without(digest(A), digest(B)),
        refused(errors.MissingBlobs, "2 blob(s)", digest(A), digest(B)),
    )
    yield case(
        "config-missing",
        "the config is not in the layout",
        without(config_digest),
        refused(errors.InvalidArchive, config_digest, root["digest"]),
    )
    yield case(
        "manifest-missing",
        "what index.json lists is not in the layout",
        without(root["digest"]),
        refused(errors.InvalidArchive, root["digest"], "index.json"),
    )
    damaged = A[:600] + b"?" + A[601:]
    yield case(
        "layer-damaged",
        "a byte of a layer was changed",
        spoilt(digest(A), damaged),
        refused(errors.DigestMismatch, "layer 0", want=digest(A), got=digest(damaged)),
    )
    data = layout.blobs[config_digest].replace(b"amd64", b"arm64")
    yield case(
        "config-damaged",
        "a byte of the config was changed",
        spoilt(config_digest, data),
        refused(errors.DigestMismatch, want=config_digest, got=digest(data)),
    )
    lying = Layout(dict(layout.blobs), [{**layout.roots[0], "size": 7}])
    wrong = refused(errors.DigestMismatch, "index.json", root["digest"], want=7, got=root["size"])
    yield case(
        "manifest-size-lies", "index.json gives the manifest another size", of_layout(lying), wrong
    )
    data = layout.blobs[root["digest"]].replace(b"schema", b"Schema")
    yield case(
        "manifest-damaged",
        "a byte of the manifest was changed",
        spoilt(root["digest"], data),
        refused(errors.DigestMismatch, want=root["digest"], got=digest(data)),
    )
    yield case(
        "layer-empty",
        "a layer of no bytes where there should be some",
        spoilt(digest(A), b""),
        refused(errors.DigestMismatch, want=len(A), got=0),
    )
    long = Layout()
    long.root(long.image(A, algorithm="sha512"), NAME)
    name = digest(A, "sha512")
    long.blobs[name] = damaged
    yield case(
        "sha512-mismatch",
        "a layer with another sha512",
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
        "an index that lists itself, under a digest it does not have",
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
        "two manifests that refer to each other, under digests they do not have",
        of_layout(circle),
        refused(errors.DigestMismatch, want=first["digest"]),
    )
    subject = Layout()
    image = subject.root(subject.image(A), NAME)
    subject.root(subject.artifact(b"signed", subject={**image, "size": 7}))
    yield case(
        "subject-size-lies",
        "a referrer gives its subject another size",
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
        "a referrer of something that is not here",
        of_layout(nowhere),
        Accepted("the specification lets a subject be missing", LOADED),
    )


def cases() -> Iterator[Case]:
    """All of them."""
    yield from descriptors()
    yield from manifests()
    yield from blobs()
