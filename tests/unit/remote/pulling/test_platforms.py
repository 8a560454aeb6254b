"""Which manifests of an index a pull takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.pulling.options import PullOptions
from remote.pulling.platforms import chosen, listed, offered, unmatched
from store.formats.image.manifests import Document
from store.model.platforms import Platform
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS = ("linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64")


def index(*platforms: str, with_attestations: bool = False, nested: bool = False) -> Document:
    layout = Layout()
    images = [
        layout.image(platform=name, config={"comment": str(number)})
        for number, name in enumerate(platforms)
    ]
    entries = [*images]
    if with_attestations:
        entries += [layout.attestation(image, image["digest"].encode()) for image in images]
    if nested:
        entries.append(layout.index(*images))
    made = layout.index(*entries)
    return Document.parse(layout.blobs[made["digest"]])


def options(
    *platforms: str, all_platforms: bool = False, has_referrers: bool = False
) -> PullOptions:
    return PullOptions(
        tuple(Platform.parse(text) for text in platforms),
        all_platforms=all_platforms,
        has_referrers=has_referrers,
    )


def positions(document: Document, given: PullOptions) -> list[int]:
    return [link.position for link in chosen(document, given)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (options(), [0]),
        (PullOptions(machine=Platform("linux", "arm", "v7")), [2]),
        (PullOptions(machine=Platform("linux", "arm", "v8")), [2]),
        (options("linux/arm/v6"), [1]),
        (options("linux/arm64", "linux/amd64"), [0, 3]),
        (options(all_platforms=True), [0, 1, 2, 3, 4, 5, 6, 7]),
        (options("linux/arm64", has_referrers=True), [3, 7]),
    ],
    ids=["machine", "arm v7", "arm v8", "arm v6", "two", "all", "attested"],
)
def test_the_image_that_suits_each_platform_best_is_chosen(
    given: PullOptions, expected: Sequence[int]
) -> None:
    document = index(*PLATFORMS, with_attestations=True)
    assert positions(document, given) == expected
    assert unmatched(document, given) == ()


def test_a_platform_without_an_image_is_named() -> None:
    document = index(*PLATFORMS)
    given = options("linux/s390x", "linux/amd64", "windows/amd64")
    assert unmatched(document, given) == (
        Platform("linux", "s390x"),
        Platform("windows", "amd64"),
    )
    assert listed(offered(document)) == ", ".join(PLATFORMS)
    assert unmatched(document, options(all_platforms=True)) == ()
    assert listed([Platform("linux", str(number)) for number in range(21)]).endswith("19, …")


def test_the_version_of_a_system_must_be_the_wanted_one() -> None:
    layout = Layout()
    entries = [
        {
            **layout.image(config={"comment": version}),
            "platform": {"os": "windows", "architecture": "amd64", "os.version": version},
        }
        for version in ("10.0.17763.1", "10.0.20348.2")
    ]
    document = Document.parse(layout.blobs[layout.index(*entries)["digest"]])
    assert positions(document, options("windows(10.0.20348)/amd64")) == [1]
    assert positions(document, options("windows/amd64")) == [0]
    assert unmatched(document, options("windows(10.0.26100)/amd64")) == (
        Platform("windows", "amd64", "", "10.0.26100"),
    )


def test_what_states_no_platform_is_always_chosen() -> None:
    layout = Layout()
    artifacts = [layout.artifact(b"chart"), layout.artifact(b"values")]
    document = Document.parse(layout.blobs[layout.index(*artifacts)["digest"]])
    assert positions(document, options()) == [0, 1]
    assert unmatched(document, options("linux/s390x")) == ()
    # A nested index may have the image that the outer one lacks.
    nested = index("linux/arm64", nested=True)
    assert positions(nested, options()) == [1]
    assert unmatched(nested, options()) == ()
