"""The names that the chosen images of an archive get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.errors import InvalidInput, InvalidReference, TooLarge
from store.formats.archives import naming, oci_layout
from store.formats.archives.naming import prefixed, with_names
from store.model.limits import DEFAULT_LIMITS
from store.model.references import Reference
from tests.support.images import A, B
from tests.support.layouts import REF_NAME, Layout
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from tests.support.layouts import Descriptor

APP = "docker.io/demo/app:1"


def named(layout: Layout, **choice: Any) -> dict[str, tuple[str, ...]]:  # noqa: ANN401
    """Return the names of each root, by digest."""
    claim = oci_layout.claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)
    return {str(root.digest): root.names for root in with_names(claim, **choice).graph.roots}


def signed(kind: str = "dev.hauler/", **annotations: str) -> tuple[Layout, Descriptor, Descriptor]:
    """Return a layout of an image and its signature, told apart by their kind."""
    layout = Layout()
    image, signature = layout.image(A), layout.artifact(b"signed")
    for one, role in ((image, "image"), (signature, "sigs")):
        layout.root(one, **{"kind": kind + role, **annotations})
    return layout, image, signature


def tag_of(image: Descriptor, suffix: str = ".sig") -> str:
    return f"sha256-{image['digest'].removeprefix('sha256:')}{suffix}"


def test_a_prefix_goes_before_the_familiar_name() -> None:
    assert prefixed("app:1", "") == "app:1"
    assert prefixed("docker.io/library/app:1", "team/") == "docker.io/team/app:1"
    assert prefixed("app:1", "example.org/x") == "example.org/x/app:1"
    with pytest.raises(InvalidReference, match="it turns 'app:1' into 'Team/app:1'"):
        prefixed("app:1", "Team")


def test_an_image_and_its_signature_may_share_a_name() -> None:
    layout, image, signature = signed(**{REF_NAME: "demo/app:1"})
    assert named(layout) == {
        image["digest"]: (APP,),
        signature["digest"]: (f"docker.io/demo/app:{tag_of(image)}",),
    }
    assert named(layout, prefix="team")[signature["digest"]] == (
        f"docker.io/team/demo/app:{tag_of(image)}",
    )
    assert set(named(layout, no_tags=True).values()) == {()}


def test_the_image_of_a_cosign_layout_can_be_named() -> None:
    layout, image, signature = signed("dev.cosignproject.cosign/")
    assert named(layout) == {image["digest"]: (), signature["digest"]: ()}
    assert named(layout, tag=Reference.parse("demo/app:1")) == {
        image["digest"]: (APP,),
        signature["digest"]: (f"docker.io/demo/app:{tag_of(image)}",),
    }


def test_a_bare_tag_of_cosign_gets_the_repository_of_the_image() -> None:
    layout = Layout()
    image = layout.root(layout.image(A), APP)
    signature = layout.root(layout.artifact(b"signed"), **{REF_NAME: tag_of(image)})
    assert named(layout)[signature["digest"]] == (f"docker.io/demo/app:{tag_of(image)}",)


def test_the_signature_of_a_child_gets_the_repository_of_the_index() -> None:
    layout = Layout()
    child = layout.image(A)
    layout.root(layout.index(child), APP)
    signature = layout.root(layout.artifact(b"signed"), **{REF_NAME: tag_of(child, ".att")})
    assert named(layout)[signature["digest"]] == (f"docker.io/demo/app:{tag_of(child, '.att')}",)


def test_a_second_signature_of_an_image_is_kept_without_a_name() -> None:
    layout, image, signature = signed(**{REF_NAME: "demo/app:1"})
    other = layout.root(
        layout.artifact(b"again"), **{"kind": "dev.hauler/sigs", REF_NAME: "demo/app:1"}
    )
    claim = oci_layout.claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)
    found = with_names(claim)
    assert [root.names for root in found.graph.roots][2] == ()
    name = f"docker.io/demo/app:{tag_of(image)}"
    assert found.notes == (
        f"{other['digest']} does not get the name {name}: {signature['digest']} has this name",
    )


def test_names_of_attachments_have_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout()
    inner = layout.index(*(layout.image(A, annotations={"n": str(n)}) for n in range(5)))
    for number in range(5):
        layout.root(layout.index(inner, annotations={"n": str(number)}), f"{APP}{number}")
    layout.root(layout.artifact(b"signed"), **{REF_NAME: tag_of(inner)})
    monkeypatch.setattr(naming, "_MAX_STEPS", 36)
    assert len(named(layout)) == 6
    monkeypatch.setattr(naming, "_MAX_STEPS", 34)
    with pytest.raises(TooLarge):
        named(layout)


def test_a_signature_alone_can_be_named() -> None:
    layout = Layout()
    signature = layout.root(layout.artifact(b"x"), **{REF_NAME: tag_of(layout.image(A))})
    assert named(layout, tag=Reference.parse("demo/app:1"))[signature["digest"]] == (APP,)


def test_one_name_for_two_images_is_refused() -> None:
    layout = Layout()
    layout.root(layout.image(A))
    layout.root(layout.image(B))
    with pytest.raises(InvalidInput, match="cannot give one name to the 2 images"):
        named(layout, tag=Reference.parse("demo/app:1"))
