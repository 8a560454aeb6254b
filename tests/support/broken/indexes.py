"""index.json, oci-layout, and indexes below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store import Choice, ImportOptions, Limits, Platform, Reference, errors
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
    """The two files at the top."""
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
        "no oci-layout beside index.json",
        sound,
        refused(errors.InvalidArchive, "no oci-layout"),
        without=("oci-layout",),
    )
    yield _case(
        "index-missing",
        "no index.json beside oci-layout",
        sound,
        refused(errors.MissingMember, "no index.json", member="index.json"),
        without=("index.json",),
    )
    yield _case(
        "layout-of-version-2",
        "a layout version that is not there yet",
        files(layout=b'{"imageLayoutVersion":"2.0.0"}'),
        refused(invalid, "'2.0.0'", "oci-layout"),
    )
    yield _case(
        "layout-without-version",
        "an oci-layout that says nothing",
        files(layout=b"{}"),
        refused(invalid, "oci-layout", "version ''"),
    )
    yield _case(
        "layout-no-json",
        "an oci-layout that is a text",
        files(layout=b"1.0.0"),
        refused(invalid, "oci-layout", "invalid JSON"),
    )
    yield _case(
        "index-empty",
        "an index.json of no bytes",
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
        refused(invalid, "index.json", "is a manifest, expected an index"),
    )
    yield _case(
        "index-lists-a-layer",
        "index.json points at a layer",
        files(index=encode({"schemaVersion": 2, "manifests": [{**root, "mediaType": LAYER}]})),
        refused(invalid, LAYER),
    )
    yield _case(
        "index-of-nothing",
        "an index.json that lists nothing",
        Layout(),
        Accepted("an empty layout is a layout", ()),
    )
    bare = Layout()
    bare.root(bare.document({"schemaVersion": 2, "mediaType": INDEX}, INDEX), NAME)
    yield _case(
        "index-without-manifests",
        "an index without its list",
        bare,
        Accepted("Go reads it as an empty one", LOADED),
    )
    twice = Layout()
    one, two = (twice.root(twice.image(each), NAME) for each in (A, B))
    yield _case(
        "name-given-twice",
        "one name for two images",
        twice,
        refused(invalid, NAME, one["digest"], two["digest"]),
    )
    bad = Layout()
    bad.root(bad.image(A), **{REF_NAME: "Not A Name"})
    yield _case(
        "name-is-none",
        "a name that is none",
        bad,
        Accepted(
            "the image is sound; a note says which name was left out",
            ("Loaded image ID: ",),
            ("'Not A Name' is no name",),
        ),
    )


def _graphs() -> Iterator[Case]:
    """What hangs below them, and what is wanted of it."""
    invalid = errors.InvalidDocument
    two_roots = Layout()
    for each in (A, B):
        two_roots.root(two_roots.image(each))
    tagged = ImportOptions(choice=Choice(tag=Reference.parse("one:name")))
    yield _case(
        "two-roots-one-name",
        "one name, and two images to give it to",
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
        "thirty-three indexes in each other",
        deep,
        refused(invalid, "nested more than 32 deep"),
    )
    sane = Layout()
    inner = sane.image(A)
    for _ in range(20):
        inner = sane.index(inner)
    sane.root(inner, NAME)
    yield _case(
        "indexes-nested",
        "twenty indexes in each other",
        sane,
        Accepted("any sane depth is followed", LOADED),
    )
    sparse = Layout()
    sparse.root(sparse.index(sparse.image(A), sparse.absent("linux/s390x")), NAME)
    yield _case(
        "index-sparse",
        "a platform is not in the layout",
        sparse,
        Accepted(
            "registries are mirrored in part; a note says what is missing", LOADED, ("linux/s390x",)
        ),
    )
    everything = ImportOptions(choice=Choice(require_all=True))
    expected = refused(errors.InvalidInput, "not everything", "linux/s390x")
    yield _case(
        "index-sparse-but-all-required",
        "a platform is missing, and --require-all",
        sparse,
        expected,
        options=everything,
        arguments=("--require-all",),
    )
    wanted = ImportOptions(choice=Choice(platforms=(Platform.parse("linux/riscv64"),)))
    expected = refused(errors.InvalidInput, "linux/riscv64")
    yield _case(
        "platform-not-offered",
        "a platform is asked for that is not there",
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
        "one manifest, listed as two kinds",
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
        "more manifests than the ceiling allows",
        wide,
        refused(errors.TooLarge, "more than 5", limit=5),
        options=few,
        arguments=None,
    )


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _tables()
    yield from _graphs()
