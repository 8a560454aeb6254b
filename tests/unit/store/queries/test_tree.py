"""The platforms of each index in a list of images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from store import ImageFilter, Platform, Store
from store.model.platforms import PlatformChoice
from tests.support.images import A, B, E
from tests.support.layouts import CONTAINERD_NAME, Layout
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store.queries.tree import TreeEntry


def entries(store: Store, filters: ImageFilter | None = None) -> dict[str, TreeEntry]:
    return {
        name: entry
        for entry in store.tree(filters or ImageFilter())
        for name in entry.names or ("",)
    }


def platforms(entry: TreeEntry) -> list[tuple[str, int | None]]:
    return [(str(part.platform), part.size_bytes) for part in entry.parts]


def imported(store: Store) -> tuple[str, str]:
    """Import indexes and an artifact; return the digests of the index x:1 and of y."""
    layout = Layout()
    amd = layout.image(A)
    arm = layout.image(A, B, platform="linux/arm64")
    top = layout.index(arm, amd, layout.absent("linux/s390x"), layout.attestation(amd))
    layout.root(top, "docker.io/library/x:1")
    held = layout.index(layout.image(E))
    layout.root(held, **{CONTAINERD_NAME: f"docker.io/library/y@{held['digest']}"})
    layout.root(layout.artifact(b"chart"), "docker.io/library/chart:1")
    layout.root(layout.index(layout.absent("linux/s390x")), "docker.io/library/none:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return str(top["digest"]), str(held["digest"])


def test_an_index_lists_its_stored_and_absent_images(store: Store) -> None:
    top, held = imported(store)
    put_image(store, B, tags=("z:1", "z:2"))
    found = entries(store)
    assert set(found) == {"x:1", f"y@{held}", "z:1", "z:2", "chart:1", "none:1"}
    assert str(found["x:1"].digest) == top
    assert platforms(found["x:1"]) == [
        ("linux/arm64", len(A) + len(B)),
        ("linux/amd64", len(A)),
        ("linux/s390x", None),
    ]
    assert found["x:1"].size_bytes == 2 * len(A) + len(B)
    assert platforms(found[f"y@{held}"]) == [("linux/amd64", len(E))]
    assert (str(found["z:1"].platform), found["z:1"].parts) == ("linux/amd64", ())
    assert (found["chart:1"].platform, found["chart:1"].parts) == (None, ())
    assert platforms(found["none:1"]) == [("linux/s390x", None)]


def test_a_wanted_platform_is_the_only_one_shown(store: Store) -> None:
    imported(store)
    choice = PlatformChoice((Platform.parse("linux/arm64"),))
    found = entries(store, ImageFilter(choice=choice))
    assert set(found) == {"x:1"}
    assert platforms(found["x:1"]) == [("linux/arm64", len(A) + len(B))]
