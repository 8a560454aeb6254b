"""Hypothesis strategies for images that Docker should refuse for exactly one fault.

Docker accepts some of these images: a wrong type may still fit, and some versions of Go accept an
odd offset. So each test asks Docker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.support import go_times, json_text
from tests.support.configs import (
    CONTAINER,
    HEALTHCHECK,
    HISTORY,
    IMAGE,
    ImageCase,
    sound_cases,
    sound_configs,
)
from tests.support.images import A, B, digest, layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

Member = tuple[bytes, bytes]

WRONG_TYPES: Final = (
    b"1",
    b"1.5",
    b"true",
    b'"text"',
    b"[]",
    b"{}",
    b"[1]",
    b"[{}]",
    b'{"a":1}',
    b'["a",["b"]]',
    b'{"80/tcp":[]}',
    b'["a",null,1]',
)
"""A value of each kind; most fields accept only one kind."""

WRONG_INTEGERS: Final = (
    b"1.0",
    b"1e3",
    b"9223372036854775808",
    b"-9223372036854775809",
    b'"1"',
    b"true",
)

NOT_VALUES: Final = (
    b'"\x01"',
    b'"\n"',
    b'"\t"',
    b'"\\x41"',
    b'"\\u00e"',
    b'"\\u00eg"',
    b'"\\U0041"',
    b'"\\\'"',
    b"'a'",
    b'"open',
    b"01",
    b"+1",
    b"-",
    b".5",
    b"1.",
    b"1e",
    b"0x10",
    b"NaN",
    b"Infinity",
    b"True",
    b"nUll",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b'{"a":1,}',
    b'{"a"}',
    b"{a:1}",
    b"{1:1}",
    b"{null:1}",
    b"\xc2\xa0null",
    b"\x0bnull",
    b"",
)
"""Texts that are not JSON."""

DAMAGE: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda text: b"\xef\xbb\xbf" + text,
    lambda text: text + b"{}",
    lambda text: text + b"\x00",
    lambda text: text + b",",
    lambda text: text.rstrip()[:-1],
    lambda text: text[: len(text) // 2],
    lambda text: text.replace(b":", b"=", 1),
    lambda text: text.replace(b"{", b"{,", 1),
    lambda text: text.replace(b'"', b"'", 2),
    lambda text: b"[" + text + b"]",
    lambda text: b"// comment\n" + text,
    lambda _: b"",
    lambda _: b" ",
    lambda _: b"null",
    lambda _: b"nul",
    lambda _: b"0",
    lambda _: b'"text"',
)

BAD_ROOTFS: Final = (
    b"null",
    b"{}",
    b"[]",
    b'"layers"',
    b'{"diff_ids":null}',
    b'{"diff_ids":[null]}',
    b'{"diff_ids":[1]}',
    b'{"diff_ids":"x"}',
    b'{"diff_ids":["sha256:00"]}',
    b'{"diff_ids":[""]}',
)

PLACES: Final = ((), ("config",), ("container_config",), ("config", "Healthcheck"))


def over(layers: Sequence[bytes], *members: Member) -> bytes:
    """Return a plain config of ``layers``, in which ``members`` precede the member ``rootfs``."""
    rootfs = json_text.join_object(
        [
            (b'"type"', b'"layers"'),
            (
                b'"diff_ids"',
                json_text.join_array([json_text.literal(digest(layer)) for layer in layers]),
            ),
        ]
    )
    return json_text.join_object([*members, (b'"rootfs"', rootfs)])


def within(path: Sequence[str], member: Member) -> Member:
    """Return ``member`` wrapped in nested JSON objects, one for each key in ``path``."""
    for name in reversed(path):
        member = (json_text.literal(name), json_text.join_object([member]))
    return member


@st.composite
def wrong_types(draw: DrawFn) -> Member:
    path = draw(st.sampled_from(PLACES))
    fields = {0: {**IMAGE, "history": st.nothing()}, 1: CONTAINER, 2: HEALTHCHECK}[len(path)]
    return within(
        path,
        (
            draw(json_text.spelled(draw(st.sampled_from(sorted(fields))))),
            draw(st.sampled_from(WRONG_TYPES)),
        ),
    )


@st.composite
def wrong_history_types(draw: DrawFn) -> Member:
    entry = json_text.join_object(
        [
            (
                draw(json_text.spelled(draw(st.sampled_from(sorted(HISTORY))))),
                draw(st.sampled_from(WRONG_TYPES)),
            )
        ]
    )
    return b'"history"', json_text.join_array([entry])


@st.composite
def wrong_times(draw: DrawFn) -> Member:
    value = draw(go_times.broken() | go_times.wild_offsets())
    return draw(
        st.sampled_from(
            (
                (b'"created"', value),
                (
                    b'"history"',
                    json_text.join_array(
                        [
                            json_text.join_object(
                                [(b'"created"', value), (b'"empty_layer"', b"true")]
                            )
                        ]
                    ),
                ),
            )
        )
    )


@st.composite
def wrong_integers(draw: DrawFn) -> Member:
    path = draw(
        st.sampled_from(
            (
                ("Size",),
                ("config", "StopTimeout"),
                ("config", "Healthcheck", "Retries"),
                ("config", "Healthcheck", "Interval"),
            )
        )
    )
    return within(path[:-1], (json_text.literal(path[-1]), draw(st.sampled_from(WRONG_INTEGERS))))


def not_json() -> SearchStrategy[Member]:
    return st.tuples(
        st.just(b'"unknown"') | json_text.strings(1), st.sampled_from(NOT_VALUES)
    ) | st.tuples(st.sampled_from(NOT_VALUES), st.just(b"1"))


@st.composite
def long_histories(draw: DrawFn, depth: int) -> Member:
    entry = draw(
        st.sampled_from(
            (
                b"{}",
                b"null",
                b'{"empty_layer":false}',
                b'{"empty_layer":null}',
                b'{"emptylayer":true}',
            )
        )
    )
    return b'"history"', json_text.join_array([entry] * (depth + 1))


@st.composite
def wrong_files(draw: DrawFn) -> ImageCase:
    """Draw a valid config and an archive with different layers.

    The config's layers are new, because an engine does not read the file of a chain that it already
    has, and a store does not read the file of a diff that it already has.
    """
    fresh = layer("fresh", b"wanted " + draw(st.binary(min_size=8, max_size=8)))
    wanted = draw(st.sampled_from(((fresh,), (A, fresh), (fresh, fresh))))
    archived = draw(
        st.sampled_from(
            (
                wanted[:-1],
                (*wanted, A),
                (*wanted[:-1], B),
                (*wanted[:-1], fresh + bytes(512)),
                (*wanted[:-1], fresh[:-1]),
            )
        )
    )
    return ImageCase(over(wanted), archived)


@st.composite
def flawed_cases(draw: DrawFn) -> ImageCase:
    """Draw an image that has one fault."""
    layers = tuple(draw(st.lists(st.sampled_from((A, B)), min_size=1, max_size=2)))
    members = st.one_of(
        wrong_types(),
        wrong_types(),
        wrong_history_types(),
        wrong_times(),
        wrong_times(),
        wrong_integers(),
        not_json(),
        long_histories(len(layers)),
    )
    damage = st.sampled_from(DAMAGE)
    kind = draw(st.integers(0, 9))
    if kind == 9:
        return draw(wrong_files())
    if kind == 8:
        return ImageCase(
            json_text.join_object([(b'"rootfs"', draw(st.sampled_from(BAD_ROOTFS)))]), layers
        )
    if kind == 7:
        return ImageCase(
            draw(damage)(draw(sound_configs([digest(layer) for layer in layers]))), layers
        )
    return ImageCase(over(layers, draw(members)), layers)


def cases() -> SearchStrategy[ImageCase]:
    """Draw images: eight valid images for each image that Docker should refuse."""
    return st.integers(0, 8).flatmap(
        lambda chance: flawed_cases() if chance == 8 else sound_cases()
    )
