"""Layouts with a broken index.json or oci-layout, and broken indexes below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store import Choice, ImportOptions, Limits, Platform, Reference, errors
from store.formats.archives.selection import NothingChosen
from tests.support.broken.case import Accepted, Case, Refused, of_layout, refused
from tests.support.broken.documents import LOADED, NAME, app, sound_manifest
from tests.support.images import A, B
from tests.support.layouts import INDEX, LAYER, REF_NAME, Layout, encode

if TYPE_CHECKING:
    from collections.abc import Iterator


def _case(
    name: str,
    why: str,
    layout: Layout,
    expected: Refused | Accepted,
    *,
    without: tuple[str, ...] = (),
    **more: Any,  # noqa: ANN401
) -> Case:
    return Case(name, why, expected, of_layout(layout, without=without), in_folder=True, **more)


def _tables() -> Iterator[Case]:
    """Yield cases with a broken index.json or oci-layout."""
    sound, root = app()

    def files(**contents: bytes) -> Layout:
        names = {"layout": "oci-layout", "index": "index.json"}
        return Layout(
            sound.blobs,
            sound.roots,
            {**sound.files, **{names[key]: data for key, data in contents.items()}},
        )

    invalid = errors.InvalidDocument
    yield _case(
        "layout-marker-missing",
        "an index.json without an oci-layout",
        sound,
        refused(errors.InvalidArchive, "no oci-layout"),
        without=("oci-layout",),
    )
    yield _case(
        "index-missing",
        "an oci-layout without an index.json",
        sound,
        refused(errors.MissingMember, "no index.json", member="index.json"),
        without=("index.json",),
    )
    yield _case(
        "layout-of-version-2",
        "an unknown layout version",
        files(layout=b'{"imageLayoutVersion":"2.0.0"}'),
        refused(invalid, "'2.0.0'", "oci-layout"),
    )
    yield _case(
        "layout-without-version",
        "an oci-layout without a version",
        files(layout=b"{}"),
        refused(invalid, "oci-layout", "imageLayoutVersion ''"),
    )
    yield _case(
        "layout-no-json",
        "an oci-layout that is not JSON",
        files(layout=b"1.0.0"),
        refused(invalid, "oci-layout", "invalid JSON"),
    )
    yield _case(
        "index-empty",
        "an empty index.json",
        files(index=b""),
        refused(invalid, "index.json", "the end of the text, at byte 0"),
    )
    yield _case(
        "index-is-a-list",
        "an index.json that is an array",
        files(index=b"[]"),
        refused(invalid, "index.json", "found array"),
    )
    yield _case(
        "index-is-a-manifest",
        "an index.json that is a manifest",
        files(index=sound_manifest()),
        refused(invalid, "index.json", "expected an index, found a manifest"),
    )
    yield _case(
        "index-lists-a-layer",
        "a layer listed in index.json",
        files(index=encode({"schemaVersion": 2, "manifests": [{**root, "mediaType": LAYER}]})),
        Accepted(
            "content of any type may be listed; it is kept by its digest", ("Loaded manifest: ",)
        ),
    )
    yield _case(
        "index-of-nothing",
        "an index.json that lists no manifest",
        Layout(),
        Accepted("an empty layout is valid", ()),
    )
    bare = Layout()
    bare.root(bare.document({"schemaVersion": 2, "mediaType": INDEX}, INDEX), NAME)
    yield _case(
        "index-without-manifests",
        "an index without the member manifests",
        bare,
        Accepted("Go reads it as an empty index", LOADED),
    )
    twice = Layout()
    one, two = (twice.root(twice.image(each), NAME) for each in (A, B))
    yield _case(
        "name-given-twice",
        "one name given to two images",
        twice,
        refused(invalid, NAME, one["digest"], two["digest"]),
    )
    bad = Layout()
    bad.root(bad.image(A), **{REF_NAME: "Not A Name"})
    yield _case(
        "name-is-none",
        "an invalid name",
        bad,
        Accepted(
            "the image is valid; a note says which name was left out",
            ("Loaded image ID: ",),
            ("invalid image name 'Not A Name'",),
        ),
    )


def _graphs() -> Iterator[Case]:
    """Yield cases with a broken index below index.json, or with an invalid choice of images."""
    invalid = errors.InvalidDocument
    two_roots = Layout()
    for each in (A, B):
        two_roots.root(two_roots.image(each))
    tagged = ImportOptions(choice=Choice(tag=Reference.parse("one:name")))
    yield _case(
        "two-roots-one-name",
        "one new name (--tag) for two images",
        two_roots,
        refused(errors.InvalidInput, "cannot give one name to the 2 images"),
        options=tagged,
        arguments=("--tag", "one:name"),
    )
    deep = Layout()
    inner = deep.image(A)
    for _ in range(33):
        inner = deep.index(inner)
    deep.root(inner, NAME)
    yield _case(
        "indexes-nested-too-deep",
        "thirty-three nested indexes",
        deep,
        refused(errors.TooLarge, "nested more than 32 levels deep"),
    )
    sane = Layout()
    inner = sane.image(A)
    for _ in range(20):
        inner = sane.index(inner)
    sane.root(inner, NAME)
    yield _case(
        "indexes-nested",
        "twenty nested indexes",
        sane,
        Accepted("32 levels are allowed", LOADED),
    )
    sparse = Layout()
    sparse.root(sparse.index(sparse.image(A), sparse.absent("linux/s390x")), NAME)
    yield _case(
        "index-sparse",
        "an index with a missing platform",
        sparse,
        Accepted(
            "registries are often mirrored in part; a note lists the missing platforms",
            LOADED,
            ("linux/s390x",),
        ),
    )
    everything = ImportOptions(choice=Choice(require_all=True))
    expected = refused(errors.InvalidInput, "list content that neither", "linux/s390x")
    yield _case(
        "index-sparse-but-all-required",
        "an index with a missing platform, imported with --require-all",
        sparse,
        expected,
        options=everything,
        arguments=("--require-all",),
    )
    wanted = ImportOptions(choice=Choice(platforms=(Platform.parse("linux/riscv64"),)))
    expected = refused(NothingChosen, "linux/riscv64")
    yield _case(
        "platform-not-offered",
        "a platform (--platform) that the archive does not have",
        sparse,
        expected,
        options=wanted,
        arguments=("--platform", "linux/riscv64"),
    )
    lies = Layout()
    image = lies.image(A)
    nested = lies.index({**image, "mediaType": INDEX})
    lies.root(image, NAME)
    lies.root(nested)
    yield _case(
        "index-calls-a-manifest-an-index",
        "one manifest, listed once as a manifest and once as an index",
        lies,
        refused(invalid, image["digest"], INDEX),
    )
    wide = Layout()
    for number in range(6):
        wide.root(wide.artifact(b"%d" % number))
    wide.root(wide.index(*wide.roots))
    few = ImportOptions(limits=Limits(members=5))
    yield _case(
        "too-many-manifests",
        "more manifests than the limit",
        wide,
        refused(errors.TooLarge, "more than 5", limit=5),
        options=few,
        arguments=None,
    )


def cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from _tables()
    yield from _graphs()
