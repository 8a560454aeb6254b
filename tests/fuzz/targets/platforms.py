"""Platforms as users and descriptors write them: parsed, normalised and ordered."""

from __future__ import annotations

from typing import Final

from store.errors import InvalidInput
from store.model.platforms import DEFAULT, Platform, best

MAX_BYTES: Final = 200
SEEDS: Final = (
    b"linux/amd64",
    b"linux/arm/v7\nlinux/arm64/v8",
    b"windows(10.0.17763.1)/amd64\nlinux/armel",
    b"macOS/x86_64/v1",
    b"unknown/unknown\nlinux/arm/6.1",
)
TOKENS: Final = (
    b"linux/",
    b"arm64",
    b"armhf",
    b"aarch64",
    b"/v8.0",
    b"/v7",
    b"(10.0)",
    b"i386",
    b"\xc2\xb2",
    b"\xd9\xa3",
    b"v",
    b"\n",
)


def check(data: bytes) -> None:
    """Compare the platforms in the lines of the input."""
    texts = data.decode("utf-8", "surrogateescape").split("\n")[:6]
    candidates = (platform for text in texts for platform in (_parsed(text), _of_fields(text)))
    found = [platform for platform in candidates if platform is not None]
    for one in found:
        assert one.matches(one)
        assert one.runs(one) == 0
        for other in found:
            rank = one.runs(other)
            assert rank is None or rank >= 0
            assert not one.matches(other) or rank is not None or one.architecture == "arm"
        position = best(one, found)
        assert position is not None
        assert one.runs(found[position]) == 0
    best(DEFAULT, found)


def _parsed(text: str) -> Platform | None:
    try:
        found = Platform.parse(text)
    except InvalidInput as exc:
        assert exc.message.isprintable()
        return None
    assert Platform.parse(str(found)) == found
    return found


def _of_fields(text: str) -> Platform:
    """Return the platform that the fields of an index give; the fields may hold any text."""
    found = Platform.of_fields(
        dict(zip(("os", "architecture", "variant", "os.version"), text.split("/", 3), strict=False))
    )
    assert Platform.of(found.os, found.architecture, found.variant, found.os_version) == found
    return found
