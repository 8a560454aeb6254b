"""Hypothesis strategies for archives from before Docker 1.10 (docker-archive.md §7).

The archives have no ``manifest.json``, and some have one fault. Docker makes a new config from the
raw text of the old config, or from the values in it. The version of Docker that wrote the old
config decides between the two. The tests need both cases, to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from hypothesis import strategies as st

from tests.support import go_times, json_text, layer_tars
from tests.support.archive_cases import TAGS, packings
from tests.support.archives import OldImage, Packing, Repeats, pack_old
from tests.support.configs import INTEGER, TEXT, UNKNOWN, V1_IMAGE
from tests.support.flawed_configs import DAMAGE, wrong_integers, wrong_types
from tests.support.images import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

VERSIONS: Final = (
    *("", "1.8.2", "1.8", "1", "1.8.3-rc1", "1.7.99.9", "0.9", "-1.9", "v1.9", ".9", "1.8.-3"),
    *(
        "1.8.3",
        "1.8.3.0",
        "1.8.4-dev",
        "1.9",
        "1.9.1",
        "1.10.0-rc1",
        "20.10.24+dfsg1",
        "2",
        "01.08.03",
        "+1.9",
        "1.99999999999999999999",
        "99999999999999999999x",
    ),
)
"""Docker versions before and after 1.8.3, the first version whose texts Docker keeps."""

NAMES: Final = (
    *("0a" * 32, "fe" * 32, "F" * 64),
    "base",
    "top",
    "with space",
    "h\u00e9",
    "..x",
    ".hidden",
    "-",
    "layers",
    "manifest",
    "<&>",
    "a.b:c",
)
"""Names of directories, which may be any text."""

NOT_KEPT: Final = ("id", "Size", "throwaway", "parent_id", "layer_id")
NEARLY_NOT_KEPT: Final = (
    "size",
    "ID",
    "Throwaway",
    "Parent_ID",
    "layer_Id",
    "rootfs",
    "history",
    "rootFS ",
    "null",
    "<k>",
    "\u2028",
)


@final
@dataclass(frozen=True, slots=True)
class OldCase:
    """An archive: its directories, ``repositories``, and packing."""

    images: tuple[OldImage, ...]
    repositories: bytes | None
    packing: Packing

    def archive(self) -> bytes:
        """Return the bytes of the archive."""
        return pack_old(self.images, self.repositories, self.packing)

    def __str__(self) -> str:
        documents = "\n".join(
            f"    {image.name!r}: {image.document!r}, layer {digest(image.layer)[7:19]}"
            for image in self.images
        )
        return (
            f"  repositories {self.repositories!r}\n  packing {self.packing}\n  images\n{documents}"
        )


FIELDS: Final = {
    **{
        name: values
        for name, values in V1_IMAGE.items()
        if name not in {"id", "parent", "docker_version"}
    },
    "docker_version": json_text.nullable(st.sampled_from(VERSIONS).map(json_text.literal)),
}


def _others() -> SearchStrategy[tuple[bytes, bytes]]:
    """Draw a JSON member that Docker removes, a member that resembles one, or an unknown member."""
    taken_out = st.tuples(st.sampled_from(NOT_KEPT).map(json_text.literal), TEXT | INTEGER)
    nearly = st.tuples(
        st.sampled_from(NEARLY_NOT_KEPT).map(json_text.literal),
        st.sampled_from((b"null", b"{}", b"[]")),
    )
    unknown = st.tuples(UNKNOWN.map(json_text.literal) | json_text.strings(2), json_text.anything())
    return taken_out | nearly | unknown


@st.composite
def documents(draw: DrawFn, parent: str | None) -> bytes:
    """Draw the ``json`` of an image built on ``parent``."""
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=7))
    members = [(draw(json_text.spelled(name)), draw(FIELDS[name])) for name in names]
    members += draw(st.lists(_others(), max_size=3))
    members = list(draw(st.permutations(members)))
    if parent is not None:
        members.append(
            (
                draw(json_text.spelled("parent")),
                (
                    json_text.literal(parent)
                    if draw(st.booleans())
                    else draw(json_text.escaped(parent))
                    if len(parent) < 16
                    else json_text.literal(parent)
                ),
            )
        )
    elif draw(st.booleans()):
        members.append((draw(json_text.spelled("parent")), draw(st.sampled_from((b"null", b'""')))))
    # Versions after 1.8.3 are drawn more often, because Docker keeps their text.
    if draw(st.booleans()):
        members.insert(draw(st.integers(0, len(members))), (b'"docker_version"', b'"1.9.1"'))
    around = st.sampled_from((b"", b"", b" ", b"\n"))
    return (
        draw(around)
        + json_text.join_object(members, draw(st.sampled_from(json_text.WHITESPACE)))
        + draw(around)
    )


@st.composite
def image_sets(draw: DrawFn) -> tuple[OldImage, ...]:
    """Draw the images of an archive in any order; each has no parent, or a parent drawn earlier."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    images = []
    for number, name in enumerate(names):
        parent = (
            draw(st.sampled_from((None, *names[:number])))
            if number and draw(st.integers(0, 3)) < 3
            else None
        )
        images.append(OldImage(name, draw(documents(parent)), draw(layer_tars.one_layer())))
    return tuple(draw(st.permutations(images)))


@st.composite
def repositories(draw: DrawFn, images: Sequence[OldImage]) -> bytes:
    """Draw ``repositories``: in half of the draws, names for all images; otherwise for some."""
    chosen: dict[str, dict[str, str]] = {}
    for image in (
        images if draw(st.booleans()) else draw(st.lists(st.sampled_from(images), max_size=4))
    ):
        repository, _, tag = draw(
            st.sampled_from(
                [name for name in TAGS if not name.startswith("0a") and "@" not in name]
            )
        ).rpartition(":")
        chosen.setdefault(repository, {})[tag] = image.name
    space = draw(st.sampled_from(json_text.WHITESPACE))
    members = [
        (
            json_text.literal(name),
            json_text.join_object(
                [(json_text.literal(tag), json_text.literal(image)) for tag, image in tags.items()],
                space,
            ),
        )
        for name, tags in chosen.items()
    ]
    return json_text.join_object(members, space) + draw(st.sampled_from((b"", b"\n", b"x")))


@st.composite
def sound_old_cases(draw: DrawFn) -> OldCase:
    """Draw an archive that Docker is expected to load."""
    images = draw(image_sets())
    return OldCase(
        images,
        draw(repositories(images)),
        draw(packings(repeats=[form for form in Repeats if form is not Repeats.SHARED])),
    )


BAD_REPOSITORIES: Final = (
    None,
    b"",
    b"x",
    b"[]",
    b'{"a":[]}',
    b'{"a":{"1":1}}',
    b'{"a":{"1":"nobody"}}',
    b'{"a":{"1":""}}',
    b'{"sha256":{"1":"base"}}',
    b'{"a:2":{"1":"base"}}',
    b'{"a:1":{"1":"base"},"a":{"1":"base","2":"base"}}',
    b'{"%s:2":{"1":"base"}}' % (b"0a" * 32),
    b'{"sha256:1":{"1":"base"}}',
    b'{"A":{}}',
    b"null",
    b'{"a":null}',
    b'{"a":{"1":null}}',
)
"""Values for ``repositories``, without invalid names and names with a digest.

Docker refuses an invalid name, and an import leaves it out with a note. Docker ignores a name with
a digest, and an import sets its tag.
"""


@st.composite
def flawed_old_cases(draw: DrawFn) -> OldCase:
    """Draw an archive with one fault, or with a member that looks like a fault."""
    base = OldImage("base", draw(documents(None)), draw(layer_tars.one_layer()))
    kind = draw(st.integers(0, 5))
    names: bytes | None = b'{"a":{"1":"base"}}'
    images: tuple[OldImage, ...] = (base,)
    if kind == 0:
        names = draw(st.sampled_from(BAD_REPOSITORIES))
    elif kind == 1:
        images = (
            base,
            OldImage(
                "top",
                draw(
                    documents(
                        draw(
                            st.sampled_from(
                                (
                                    *("nobody", "bas", "Base", "base/", "./base", "../base", "."),
                                    *("/base", "//base/.", "/../base", "x/../base", "..", "base/x"),
                                )
                            )
                        )
                    )
                ),
                base.layer,
            ),
        )
    elif kind == 2:
        images = (OldImage("base", draw(st.sampled_from(DAMAGE))(base.document), base.layer),)
    elif kind == 3:
        images = (
            OldImage(
                "base", json_text.join_object([draw(wrong_types() | wrong_integers())]), base.layer
            ),
        )
    elif kind == 4:
        member = draw(
            st.sampled_from(
                (
                    b'"rootFS"',
                    b'"History"',
                    '"root\u017fs"'.encode(),
                    '"hi\u017ftory"'.encode(),
                    b'"RootFS"',
                )
            )
        )
        value = draw(
            st.sampled_from(
                (
                    b"null",
                    b"{}",
                    b"[]",
                    b"1",
                    b'{"type":"x"}',
                    b'{"diff_ids":[]}',
                    b'{"diff_ids":["x"]}',
                    b"[{}]",
                    b"[null,{}]",
                )
            )
        )
        images = (
            OldImage(
                "base",
                json_text.join_object([(member, value), (b'"docker_version"', b'"1.9.1"')]),
                base.layer,
            ),
        )
    else:
        images = (
            OldImage(
                "base",
                json_text.join_object(
                    [
                        (
                            draw(json_text.spelled("created")),
                            draw(go_times.broken() | go_times.wild_offsets()),
                        )
                    ]
                ),
                base.layer,
            ),
        )
    return OldCase(images, names, Packing())


def old_sequences() -> SearchStrategy[tuple[OldCase, ...]]:
    """Draw archives to load one after another.

    One sequence in five is a single archive that Docker should refuse.
    """
    sound = st.lists(sound_old_cases(), min_size=1, max_size=2).map(tuple)
    return st.integers(0, 4).flatmap(
        lambda chance: flawed_old_cases().map(lambda case: (case,)) if chance == 4 else sound
    )
