"""Hypothesis strategies for images that may be parents of each other (docker-archive.md §6.2).

The histories of related images begin with the same entries, or with almost the same entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.support import json_text, layer_tars
from tests.support.configs import ImageCase
from tests.support.images import digest

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

SPELLINGS: Final = (
    b'{"created":"2020-01-01T00:00:00Z"}',
    b'{"created":"2020-01-01T00:00:00Z","created_by":"a"}',
    b'{"created":"2020-01-01T00:00:00.000Z","author":"","created_by":"\\u0061","unknown":1}',
    b'{"created":"2020-01-01T00:00:00+00:00","created_by":"a"}',
    b'{"created":"2020-01-01T00:00:00-00:00","created_by":"a"}',
    b'{"created":"2020-01-01T02:30:00+02:30","created_by":"a"}',
    b'{"CREATED":"2020-01-01T02:30:00,0+02:30","created_by":"a","empty_layer":false}',
    b'{"created":"2020-01-01T00:00:00.000000001Z","created_by":"a"}',
    b'{"created":null}',
    b"null",
    b'{"created":"0001-01-01T00:00:00Z"}',
    b'{"created_by":"\xff"}',
    b'{"created_by":"\\ud800"}',
)
"""Entries of a history. Some are equal or almost equal in Docker's comparison of structures."""

EMPTY: Final = b'{"empty_layer":true}'


def entries() -> SearchStrategy[bytes]:
    return st.sampled_from(SPELLINGS)


@st.composite
def families(draw: DrawFn) -> tuple[ImageCase, ...]:
    """Draw an image and images built on it.

    The history of some images does not continue the history of the parent.
    """
    layers = tuple(draw(st.lists(layer_tars.one_layer(), max_size=2)))
    history = draw(st.lists(entries(), max_size=len(layers)))
    members = [_image(layers, history, 0)]
    for generation in range(1, draw(st.integers(2, 3))):
        step = draw(st.sampled_from(("layer", "layer", "layer", "metadata", "silent layer")))
        if step != "metadata":
            layers = (*layers, draw(layer_tars.one_layer()))
        if history and draw(st.integers(0, 7)) == 7:
            history = [*history[:-1], draw(entries())]
        if step != "silent layer":
            history = [*history, draw(entries()) if step == "layer" else EMPTY]
        members.append(_image(layers, history, generation))
    return tuple(members)


def _image(layers: tuple[bytes, ...], history: list[bytes], generation: int) -> ImageCase:
    rootfs = json_text.join_object(
        [
            (b'"type"', b'"layers"'),
            (
                b'"diff_ids"',
                json_text.join_array([json_text.literal(digest(layer)) for layer in layers]),
            ),
        ]
    )
    runs_on = [(b'"architecture"', b'"amd64"'), (b'"os"', b'"linux"')]
    members = [
        (b'"comment"', b'"generation %d"' % generation),
        *runs_on,
        (b'"history"', json_text.join_array(history)),
        (b'"rootfs"', rootfs),
    ]
    return ImageCase(json_text.join_object(members), layers)
