"""Docker archives with a broken ``manifest.json``, config or ``repositories``.

Some archives have an ``index.json`` and a ``manifest.json`` that contradict each other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from store import errors
from tests.support.broken.case import Accepted, Case, Refused, of_files, of_layout, refused
from tests.support.docker_vectors import V5_JSON, V6_JSON
from tests.support.images import A, B, config, digest
from tests.support.layouts import Layout, encode, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.archive_entries import Entry
    from tests.support.layouts import Descriptor

APP: Final[dict[str, Any]] = {"Config": "c", "RepoTags": ["app:1"], "Layers": ["l"]}
LOADED: Final = ("Loaded image: app:1",)
BASE, TOP = "b" * 64, "a" * 64


def _of(table: bytes, **files: bytes) -> tuple[Entry, ...]:
    return of_files({"l": A, "c": config(A), **files, "manifest.json": table})


def tables() -> Iterator[Case]:
    """Yield cases in which ``manifest.json``, or a config that the file names, is broken."""

    def case(
        name: str, why: str, table: object, expected: Refused | Accepted, **files: bytes
    ) -> Case:
        return Case(
            name,
            why,
            expected,
            _of(table if isinstance(table, bytes) else encode(table), **files),
            in_folder=True,
        )

    invalid = errors.InvalidDocument
    table = encode([APP])
    yield case(
        "table-empty",
        "an empty manifest.json",
        b"",
        refused(invalid, "manifest.json", "the end of the text, at byte 0"),
    )
    yield case(
        "table-is-an-object",
        "a manifest.json that is an object",
        {},
        refused(invalid, "manifest.json", "list of objects", "found object"),
    )
    yield case(
        "table-cut",
        "a manifest.json that ends early",
        table[:-1],
        refused(invalid, "manifest.json", "invalid JSON", "the end of the text"),
    )
    yield case(
        "table-byte-order-mark",
        "a manifest.json that begins with a byte order mark",
        b"\xef\xbb\xbf" + table,
        refused(invalid, "manifest.json", "byte 0", "\\xef"),
    )
    yield case(
        "table-utf-16",
        "a manifest.json in UTF-16",
        json.dumps([APP]).encode("utf-16"),
        refused(invalid, "manifest.json", "byte 0", "\\xff"),
    )
    yield case(
        "table-nested-too-deep",
        "twenty thousand nested lists",
        b"[" * 20_000,
        refused(invalid, "manifest.json", "10000 levels"),
    )
    yield case(
        "table-without-config",
        "an image without a config",
        [{**APP, "Config": ""}],
        refused(invalid, "image 0 has no Config"),
    )
    yield case(
        "table-layers-no-list",
        "layers that are a string instead of a list",
        [{**APP, "Layers": "l"}],
        refused(invalid, "[0].Layers", "found string"),
    )
    yield case(
        "table-layer-no-text",
        "a layer that is a number",
        [{**APP, "Layers": [1]}],
        refused(invalid, "[0].Layers[0]", "found number 1"),
    )
    yield case(
        "table-of-nothing",
        "a manifest.json that is null",
        b"null",
        Accepted("Docker loads no image from it and exits with 0", ()),
    )
    yield case(
        "table-trailing-junk",
        "more text after the list",
        table + b" junk",
        Accepted("Docker reads only the first JSON value", LOADED),
    )
    twice = table.replace(b'"Layers"', b'"Layers":["nowhere"],"Layers"')
    yield case(
        "table-key-twice",
        "the member Layers twice",
        twice,
        Accepted("Docker uses the second list; the config's diff IDs prove its layers", LOADED),
    )
    yield case(
        "config-not-there",
        "a config that is not in the archive",
        [{**APP, "Config": "gone.json"}],
        refused(
            errors.MissingMember, "the config of app:1 is not in the archive", member="gone.json"
        ),
    )
    yield case(
        "config-no-json",
        "a config that is not JSON",
        [APP],
        refused(invalid, "config c", "invalid JSON"),
        c=b"nope",
    )
    yield case(
        "config-cut",
        "a config that ends early",
        [APP],
        refused(invalid, "config c", "invalid JSON", "the end of the text"),
        c=config(A)[:-2],
    )
    yield case(
        "layers-too-few",
        "fewer layers than the config has",
        [APP],
        refused(invalid, "layers length mismatch", "expected 1, got 2"),
        c=config(A, B),
    )
    yield case(
        "layer-wrong",
        "a layer whose diff ID differs from the config",
        [APP],
        refused(errors.DigestMismatch, "layer 0 of app:1", "'l'", want=digest(A), got=digest(B)),
        l=B,
    )
    gone = [{**APP, "Layers": ["x/layer.tar", "y/layer.tar"]}]
    yield case(
        "layers-not-there",
        "layers that are not in the archive",
        gone,
        refused(errors.MissingLayers, "2 layer(s)", digest(A), digest(B)),
        c=config(A, B),
    )
    yield case(
        "tag-without-tag",
        "a name without a tag",
        [{**APP, "RepoTags": ["app"]}],
        Accepted(
            "the image is valid; a note says which name was left out",
            ("Loaded image ID: ",),
            ("invalid image name 'app'",),
        ),
    )
    yield case(
        "tag-in-capitals",
        "a name in capitals",
        [{**APP, "RepoTags": ["App:1"]}],
        Accepted(
            "the image is valid; a note says which name was left out",
            ("Loaded image ID: ",),
            ("invalid image name 'App:1'",),
        ),
    )
    broken = encode([{**APP, "RepoTags": ["app?:1"]}]).replace(b"?", b"\xff")
    yield case(
        "tag-no-utf-8",
        "a name that is not UTF-8",
        broken,
        Accepted(
            "the image is valid; a note says which name was left out",
            ("Loaded image ID: ",),
            ("invalid image name 'app�:1'",),
        ),
    )
    ids = [{**APP, "RepoTags": ["a" * 64 + ":1"]}]
    yield case(
        "tag-like-an-id",
        "a name of sixty-four hexadecimal digits, like an ID",
        ids,
        Accepted("with a tag the text is a name, as in Docker", (f"Loaded image: {'a' * 64}:1",)),
    )
    sources = {"nonsense": {"urls": ["https://example.org/l"]}}
    yield case(
        "source-of-nothing",
        "a foreign source for an invalid digest",
        [{**APP, "LayerSources": sources}],
        refused(invalid, "LayerSources", "'nonsense'"),
    )
    yield from _parents()
    yield case(
        "deep-image",
        "a hundred and thirty layers",
        [{**APP, "Layers": ["l"] * 130}],
        Accepted("the store allows more than 125; a note names Docker's limit", LOADED, ("125",)),
        c=config(*[A] * 130),
    )


def _parents() -> Iterator[Case]:
    def history(*steps: str) -> list[dict[str, str]]:
        return [{"created": "2020-01-01T00:00:00Z", "created_by": step} for step in steps]

    def family(
        name: str, why: str, parent: bytes, child: bytes, expected: Refused, **more: str
    ) -> Case:
        entries = [
            {"Config": "p", "RepoTags": ["p:1"], "Layers": ["l"], **more},
            {"Config": "c", "RepoTags": ["c:1"], "Layers": ["l", "m"], "Parent": digest(parent)},
        ]
        return Case(
            name,
            why,
            expected,
            of_files({"l": A, "m": B, "p": parent, "c": child, "manifest.json": encode(entries)}),
            in_folder=True,
        )

    parent, child = config(A, history=history("one")), config(A, B, history=history("other", "two"))
    expected = refused(errors.InvalidDocument, digest(parent), "not a valid parent", digest(child))
    yield family(
        "parent-is-none",
        "a parent whose history is not the start of the child's",
        parent,
        child,
        expected,
    )
    parent, child = config(A), config(A, B)
    yield family(
        "parent-cycle",
        "two images that are each other's parent",
        parent,
        child,
        refused(errors.InvalidArchive, "cycle", member="manifest.json"),
        Parent=digest(child),
    )


def old() -> Iterator[Case]:
    """Yield cases of archives from before Docker 1.10."""

    def case(
        name: str,
        why: str,
        expected: Refused | Accepted,
        *,
        without: tuple[str, ...] = (),
        **changes: bytes,
    ) -> Case:
        files = {
            f"{BASE}/json": V5_JSON,
            f"{BASE}/layer.tar": A,
            f"{TOP}/json": V6_JSON,
            f"{TOP}/layer.tar": B,
            "repositories": encode({"old": {"base": BASE, "top": TOP}}),
        }
        files |= {
            {"base": f"{BASE}/json", "top": f"{TOP}/json", "layer": f"{TOP}/layer.tar"}.get(
                key, key
            ): data
            for key, data in changes.items()
        }
        return Case(
            name,
            why,
            expected,
            of_files({key: data for key, data in files.items() if key not in without}),
            in_folder="repositories" not in without,
        )

    invalid = errors.InvalidDocument
    yield case(
        "old-without-names",
        "an archive without repositories",
        refused(errors.InvalidArchive, "no images", "the beginning of an image archive"),
        without=("repositories",),
    )
    yield case(
        "old-directory-without-json",
        "a directory without json",
        refused(errors.MissingMember, "has no json", member=f"{TOP}/json"),
        without=(f"{TOP}/json",),
    )
    yield case(
        "old-directory-without-layer",
        "a directory without layer.tar",
        refused(errors.MissingMember, member=f"{TOP}/layer.tar"),
        without=(f"{TOP}/layer.tar",),
    )
    yield case(
        "old-parent-missing",
        "a parent that is not in the archive",
        refused(errors.MissingMember, "parent 'x'", member=f"{TOP}/json"),
        top=encode({"parent": "x"}),
    )
    yield case(
        "old-parent-cycle",
        "two directories that are each other's parent",
        refused(errors.InvalidArchive, "cycle"),
        base=encode({"parent": TOP}),
    )
    yield case(
        "old-parent-is-a-path",
        "a parent that is a path out of the archive",
        refused(errors.MissingMember, "'../x'", member=f"{TOP}/json"),
        top=encode({"parent": "../x"}),
    )
    yield case(
        "old-json-no-json",
        "a json file that is not JSON",
        refused(invalid, f"{TOP}/json", "invalid JSON"),
        top=b"nope",
    )
    over = encode(
        {
            "id": TOP,
            "docker_version": "1.9",
            "rootf\u017f": {"type": "layers", "diff_ids": [digest(A)]},
        }
    )
    yield case(
        "old-json-brings-layers",
        "a json file with a member that would replace the layers",
        refused(invalid, "replace the layers"),
        top=over,
    )
    yield case(
        "old-name-of-nothing",
        "a name of a directory that is not in the archive",
        refused(invalid, "repositories", "old:x"),
        repositories=encode({"old": {"x": "c" * 64}}),
    )
    yield case(
        "old-name-in-capitals",
        "a name in capitals",
        Accepted(
            "the image is valid; a note says which name was left out",
            ("Loaded image ID: ",),
            ("invalid image name 'Old:x'",),
        ),
        repositories=encode({"Old": {"x": TOP}}),
    )
    yield case(
        "old-tag-with-space",
        "a tag with a space in it",
        Accepted(
            "the image is valid; a note says which name was left out",
            ("Loaded image ID: ",),
            ("invalid image name 'old:x y'",),
        ),
        repositories=encode({"old": {"x y": TOP}}),
    )
    yield case(
        "old-names-no-object",
        "a repositories file that is a list",
        refused(invalid, "repositories", "found array"),
        repositories=b"[]",
    )
    yield case(
        "old-layer-no-tar",
        "a layer.tar that is not a tar",
        refused(errors.InvalidArchive, "not a tar archive", member=f"{TOP}/layer.tar"),
        layer=b"no tar\n" * 100,
    )
    export = of_files({"bin/sh": b"#!", "etc/passwd": b"root", "usr/lib/x": b""})
    yield Case(
        "what-docker-export-writes",
        "a file system instead of an image",
        refused(errors.InvalidArchive, "no images", "a root file system"),
        export,
    )


def hybrids() -> Iterator[Case]:
    """Yield cases of archives whose index.json and manifest.json disagree."""

    def entry(layout: Layout, image: Descriptor, *tags: str) -> dict[str, Any]:
        document = json.loads(layout.blobs[image["digest"]])
        paths = [
            f"blobs/{link['digest'].replace(':', '/')}"
            for link in (document["config"], *document["layers"])
        ]
        return {"Config": paths[0], "RepoTags": list(tags), "Layers": paths[1:]}

    def case(
        name: str, why: str, layout: Layout, table: object, expected: Refused | Accepted
    ) -> Case:
        layout = Layout(
            layout.blobs,
            layout.roots,
            {**layout.files, "manifest.json": table if isinstance(table, bytes) else encode(table)},
        )
        return Case(name, why, expected, of_layout(layout), in_folder=True)

    layout = Layout()
    one, two = layout.image(plain(A), plain(B)), layout.image(plain(B))
    layout.root(one, "docker.io/library/one:1")
    layout.root(two, "docker.io/library/two:1")
    stranger = layout.image(plain(A))
    invalid = errors.InvalidArchive
    yield case(
        "hybrid-names-differ",
        "one name for different images in the two files",
        layout,
        [entry(layout, one, "two:1")],
        refused(invalid, "docker.io/library/two:1", "different images"),
    )
    lying = {
        **entry(layout, one, "one:1"),
        "Layers": [f"blobs/{digest(data).replace(':', '/')}" for data in (A, A)],
    }
    yield case(
        "hybrid-layers-differ",
        "different layers for one image in the two files",
        layout,
        [lying],
        refused(invalid, "disagree about the layers of one:1"),
    )
    yield case(
        "hybrid-image-unknown",
        "an image that only manifest.json has",
        layout,
        [entry(layout, stranger, "x:1")],
        refused(invalid, "x:1", "but index.json does not"),
    )
    yield case(
        "hybrid-table-broken",
        "a valid layout with an invalid manifest.json",
        layout,
        b"{",
        refused(errors.InvalidDocument, "manifest.json", "invalid JSON"),
    )
    flawed = Layout()
    image = flawed.image(plain(A), plain(B), plain(A))
    right = entry(flawed, image, "flawed:1")
    document = json.loads(flawed.blobs.pop(image["digest"]))
    document["layers"] = document["layers"][1::-1]
    flawed.root(flawed.document(document, image["mediaType"]), "docker.io/library/flawed:1")
    known = Accepted(
        "Docker 25.0.0 wrote such archives; manifest.json is right, and a note says so",
        ("Loaded image: flawed:1",),
        ("Docker 25.0.0",),
    )
    yield case(
        "hybrid-of-docker-25-0-0",
        "a manifest with its layers in a different order and without a repeated layer",
        flawed,
        [right],
        known,
    )


def cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from tables()
    yield from old()
    yield from hybrids()
