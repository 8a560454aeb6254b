"""Hypothesis strategies for layers: a few known layers, and tiny tars with members of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.support import tars
from tests.support.images import A, B, E

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

RECORD: Final = 10240
ZERO: Final = b""
PADDED: Final = (tars.member(b"p.txt", b"pad\n") + tars.END).ljust(RECORD, b"\0")
FAMILIAR: Final = (A, B, E, A, B, E, ZERO, PADDED)
"""The layers of docker-archive.md §11, an empty file, and a layer with tar's record padding."""

DEEP: Final = ((A, B, E), (A,), (E, E, A, B, PADDED))
"""Patterns for images of many layers.

There are only three patterns, because an engine is slowest with a new chain of layers.
"""

MAX_DEPTH: Final = 125
"""Docker's maximal number of layers (docker-archive.md §1)."""

_NAMES: Final = (
    "etc/motd",
    "usr/bin/tool",
    "var/lib/data",
    "a<&>b",
    "hé",
    "opt/.wh.gone",
    "srv/.wh..wh..opq",
    "tmp/" + "long" * 20,
)


@st.composite
def tiny_tars(draw: DrawFn) -> bytes:
    """Draw a valid layer tar.

    The names of the members are unique, because Docker cannot save a layer that has a name twice.
    """
    parts = []
    for name in draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True)):
        raw = name.encode()
        when = {"at_136": b"%011o\0" % draw(st.sampled_from((0, 1_000_000_000, 8**11 - 1)))}
        if ".wh." in name:
            parts.append(tars.member(raw, **when))
            continue
        kind = draw(
            st.sampled_from(
                ("file", "file", "empty", "folder", "link", "gnu", "pax", "old", "owner")
            )
        )
        data = draw(st.binary(max_size=600))
        if kind == "file":
            parts.append(tars.member(raw, data, **when))
        elif kind == "empty":
            parts.append(tars.member(raw, **when))
        elif kind == "folder":
            parts.append(tars.member(raw + b"/", flag=b"5", at_100=b"0000755\0", **when))
        elif kind == "link":
            parts.append(tars.member(raw, flag=b"2", link=b"../target", **when))
        elif kind == "gnu":
            parts.append(
                tars.member(b"././@LongLink", raw + b"\0", b"L", magic=b"ustar  \0")
                + tars.member(raw[:100], data, magic=b"ustar  \0", **when)
            )
        elif kind == "pax":
            parts.append(
                tars.extended({b"path": raw, b"mtime": b"1600000000.5"})
                + tars.member(b"short", data, **when)
            )
        elif kind == "old":
            parts.append(tars.member(raw, data, magic=b"", **when))
        else:
            parts.append(
                tars.member(raw, data, at_108=b"0001750\0", at_265=b"user", at_297=b"group", **when)
            )
    end = draw(
        st.sampled_from(
            (tars.END, tars.END, b"", bytes(512), bytes(9216), tars.END + b"junk after the end")
        )
    )
    return b"".join(parts) + end


@st.composite
def stacks(draw: DrawFn) -> tuple[bytes, ...]:
    """Draw the layers of an image, base first; layers may repeat."""
    shape = draw(st.integers(0, 39))
    if shape < 36:
        return tuple(draw(st.lists(one_layer(), min_size=1, max_size=4)))
    depth = draw(
        st.sampled_from((6, 7, 16, 20))
        if shape < 39
        else st.sampled_from((40, 64, 100, 124, MAX_DEPTH))
    )
    return (draw(st.sampled_from(DEEP)) * depth)[:depth]


def one_layer() -> SearchStrategy[bytes]:
    """Draw a layer, usually a known layer, because a new chain costs an engine 0.1 seconds."""
    return st.integers(0, 9).flatmap(
        lambda chance: tiny_tars() if chance == 9 else st.sampled_from(FAMILIAR)
    )
