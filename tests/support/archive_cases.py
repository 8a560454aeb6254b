"""Hypothesis strategies for archives with a ``manifest.json``.

The strategies vary the images, their parents, the packing, the spelling of the manifest, and tags
that move from one image to another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from hypothesis import strategies as st

from tests.support import json_text, tars
from tests.support.archives import (
    RECORD,
    Codec,
    PackedImage,
    Packing,
    Repeats,
    config_path,
    layer_paths,
    pack,
)
from tests.support.configs import UNKNOWN, ImageCase, sound_cases
from tests.support.images import A, digest
from tests.support.related_images import families

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

TAGS: Final = (
    "a:1",
    "a:2",
    "b:latest",
    "a:latest",
    "docker.io/library/a:1",
    "library/a:3",
    "index.docker.io/team/app:v1.0_x-y",
    "localhost/a:1",
    "registry.example:5000/a/b_c/d__e/f---g:T.a-g",
    "a" * 200 + ":long",
    "a:" + "t" * 128,
    f"{'0a' * 32}:hex",
    "sha256:tag",
)
"""Values for RepoTags; Docker prints the last value and does not set it.

A name with a digest is not among them: Docker prints it and sets nothing, an import sets the tag.
"""

OTHER_PARENTS: Final = (
    "",
    f"sha256:{'0' * 64}",
    "none",
    "0" * 64,
    "sha256:0",
    f"SHA256:{'0' * 64}",
)
"""Values for Parent that identify none of the archive's images; Docker ignores these values."""

ENDS: Final = (
    tars.END,
    tars.END,
    tars.END.ljust(RECORD, b"\0"),
    b"",
    bytes(512),
    tars.END + b"junk",
)


@final
@dataclass(frozen=True, slots=True)
class LoadCase:
    """An archive: its images, its packing and its ``manifest.json``."""

    images: tuple[PackedImage, ...]
    packing: Packing
    manifest: bytes

    def archive(self) -> bytes:
        """Return the bytes of the archive."""
        return pack(self.images, self.packing, self.manifest)

    def __str__(self) -> str:
        configs = "\n".join(
            f"    {image.config!r}, layers {[digest(layer)[7:19] for layer in image.layers]}"
            for image in self.images
        )
        return f"  manifest {self.manifest!r}\n  packing {self.packing}\n  configs\n{configs}"


def packings(*, repeats: Sequence[Repeats] = tuple(Repeats)) -> SearchStrategy[Packing]:
    """Draw a packing that Docker 20.10 reads."""
    # Plain archives are drawn more often: the packing cannot cause their differences.
    codecs = st.sampled_from((Codec.NONE, Codec.NONE, Codec.NONE, *Codec))
    flags = dict.fromkeys(("manifest_first", "pax_times", "directories", "dotted"), st.booleans())
    varied = st.builds(
        Packing,
        repeats=st.sampled_from(repeats),
        layer_codec=codecs,
        outer_codec=codecs,
        end=st.sampled_from(ENDS),
        **flags,
    )
    return st.just(Packing()) | varied


def tags() -> SearchStrategy[str]:
    """Draw a valid name for an image.

    Docker refuses an archive with an invalid name; an import leaves the name out with a note.
    """
    return st.sampled_from(TAGS)


@st.composite
def images_of(draw: DrawFn, pool: Sequence[ImageCase]) -> tuple[PackedImage, ...]:
    """Draw images from a pool in any order; an image may be drawn twice.

    In the pool, a parent is earlier than its child, because an engine hangs on a cycle of parents.
    """
    positions = range(len(pool))
    # Half of the draws use the whole pool, because a child that is drawn alone has no parent.
    chosen = (
        draw(st.permutations(positions))
        if draw(st.booleans())
        else draw(st.lists(st.sampled_from(positions), min_size=1, max_size=4))
    )
    packed = []
    for which in chosen:
        before = _image_id(pool[max(0, which - 1)])
        parent = draw(
            st.sampled_from(
                (before, before, before, before, _image_id(pool[which]), *OTHER_PARENTS)
            )
        )
        packed.append(
            PackedImage(
                pool[which].config,
                pool[which].layers,
                tuple(draw(st.lists(tags(), max_size=3))),
                parent,
            )
        )
    return tuple(packed)


def _image_id(image: ImageCase) -> str:
    return f"sha256:{hashlib.sha256(image.config).hexdigest()}"


@st.composite
def text(draw: DrawFn, value: str) -> bytes:
    """Draw a JSON literal of ``value``; a short ASCII value is drawn in any spelling."""
    return (
        draw(json_text.escaped(value))
        if value.isascii() and len(value) <= SPELLED_LENGTH
        else json_text.literal(value)
    )


SPELLED_LENGTH: Final = 16


@st.composite
def paths(draw: DrawFn, path: str) -> bytes:
    """Draw a spelling of a path in the archive."""
    way = draw(
        st.sampled_from(
            (
                "{}",
                "{}",
                "{}",
                "./{}",
                "/{}",
                "//{}",
                "nowhere/../{}",
                "layers/../{}",
                "{}/.",
                "./././{}",
            )
        )
    )
    return draw(text(way.format(path)))


@st.composite
def plain_sources(draw: DrawFn, layers: Sequence[bytes]) -> bytes:
    """Draw ``LayerSources`` as Docker 25 and newer write them for every layer."""
    known = b'{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":%d,"digest":"%s"}'
    described = [
        (json_text.literal(digest(layer)), known % (len(layer), digest(layer).encode()))
        for layer in dict.fromkeys(layers)
    ]
    return draw(st.sampled_from((b"null", b"{}", json_text.join_object(described))))


@st.composite
def items(draw: DrawFn, image: PackedImage, position: int, layers: Sequence[str]) -> bytes:
    """Draw the entry of one image for a ``manifest.json``."""
    listed = json_text.join_array(
        [
            draw(paths(path)) if len(layers) < SPELLED_LENGTH else json_text.literal(path)
            for path in layers
        ],
        draw(st.sampled_from(json_text.WHITESPACE)),
    )
    names = json_text.join_array([draw(text(tag)) for tag in image.tags])
    members = [
        (draw(json_text.spelled("Config")), draw(paths(config_path(position)))),
        (
            draw(json_text.spelled("Layers")),
            draw(st.sampled_from((b"null", b"[]"))) if not layers else listed,
        ),
        (
            draw(json_text.spelled("RepoTags")),
            names if image.tags else draw(st.sampled_from((b"null", b"[]"))),
        ),
    ]
    if not image.tags and draw(st.booleans()):
        members.pop()
    if image.parent:
        members.append((draw(json_text.spelled("Parent")), draw(text(image.parent))))
    if draw(st.integers(0, 4)) == 4:
        members.append((draw(json_text.spelled("LayerSources")), draw(plain_sources(image.layers))))
    if draw(st.integers(0, 4)) == 4:
        members.append((draw(UNKNOWN.map(json_text.literal)), draw(json_text.anything())))
    before = draw(
        st.sampled_from(
            (
                (),
                (),
                (),
                ((b'"Layers"', b'["x"]'),),
                ((b'"RepoTags"', b'["x:1","x:2","x:3","x:4"]'),),
                ((b'"config"', b'"x"'),),
            )
        )
    )
    if b'"RepoTags"' in dict(before) and not image.tags:
        before = ()  # else the image would get these names
    after = draw(
        st.sampled_from(((), (), (), ((b'"Config"', b"null"),), ((b'"Parent"', b"null"),)))
    )
    return json_text.join_object(
        [*before, *draw(st.permutations(members)), *after],
        draw(st.sampled_from(json_text.WHITESPACE)),
    )


@st.composite
def manifests(draw: DrawFn, images: Sequence[PackedImage], repeats: Repeats) -> bytes:
    """Draw a ``manifest.json``; bytes that Docker does not read may follow its JSON value."""
    written = [
        draw(items(image, position, layers))
        for position, (image, layers) in enumerate(
            zip(images, layer_paths(images, repeats), strict=True)
        )
    ]
    array = json_text.join_array(written, draw(st.sampled_from(json_text.WHITESPACE)))
    return (
        draw(st.sampled_from((b"", b" \n")))
        + array
        + draw(st.sampled_from((b"", b"\n", b"\n", b"[]", b"\x00")))
    )


@st.composite
def load_cases(draw: DrawFn, pool: Sequence[ImageCase]) -> LoadCase:
    """Draw an archive whose images are taken from a pool of images."""
    images, packing = draw(images_of(pool)), draw(packings())
    return LoadCase(images, packing, draw(manifests(images, packing.repeats)))


@st.composite
def load_sequences(draw: DrawFn) -> tuple[LoadCase, ...]:
    """Draw one archive, or two archives that share images and tags."""
    # An image takes its predecessor in the pool as its parent, and Docker usually refuses a parent
    # on which the image was not built. So the unrelated image is first in the pool.
    pool = [*draw(st.lists(sound_cases(), max_size=1)), *draw(families())]
    if draw(st.integers(0, 7)) == 7:
        pool.append(
            ImageCase(
                b'{"os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}' % digest(A).encode(),
                (),
            )
        )
    return tuple(draw(st.lists(load_cases(pool), min_size=1, max_size=2)))
