"""The choice of the images to import from an archive, and the choice of their names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from store.errors import DigestMismatch, InvalidDocument, InvalidInput, InvalidReference
from store.formats.archives import docker, oci_layout
from store.formats.archives.selection import Choice, choose
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import Platform
from store.model.references import Reference
from store.model.remedies import Note, Remedy
from tests.support.images import A, B, config, digest
from tests.support.layouts import REF_NAME, Layout, encode
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from store.formats.archives.claims import ArchiveClaim


AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def layout_claim(layout: Layout) -> ArchiveClaim:
    return oci_layout.claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)


def docker_claim(**images: str) -> ArchiveClaim:
    """Return the claim of a Docker archive; ``images`` maps the name of a config to a tag."""
    files = {name: config(name.encode()) for name in images}
    entries = [
        {"Config": name, "RepoTags": [tag] if tag else None, "Layers": ["l"]}
        for name, tag in images.items()
    ]
    return docker.claim(
        MemoryFiles({**files, "manifest.json": encode(entries)}).document, DEFAULT_LIMITS
    )


def two_platforms() -> tuple[Layout, list[str]]:
    """Return a layout and its digests: amd64, arm64, attestation, index, signature."""
    layout = Layout()
    amd64 = layout.image(A, platform="linux/amd64")
    arm64 = layout.image(B, platform="linux/arm64")
    statement = layout.attestation(amd64)
    index = layout.root(layout.index(amd64, arm64, statement), "docker.io/library/app:1")
    signature = layout.root(layout.artifact(b"signed", subject=index))
    return layout, [one["digest"] for one in (amd64, arm64, statement, index, signature)]


def documents(claim: ArchiveClaim) -> set[str]:
    return {str(name) for name in claim.graph.documents}


def tags(claim: ArchiveClaim) -> list[tuple[str, ...]]:
    return [image.tags for image in claim.images]


def names(claim: ArchiveClaim) -> list[tuple[str, ...]]:
    return [root.names for root in claim.graph.roots]


def test_an_empty_choice_keeps_everything() -> None:
    layout, everything = two_platforms()
    claim = layout_claim(layout)
    chosen = choose(claim, Choice())
    assert documents(chosen) == set(everything)
    assert chosen.graph.roots == claim.graph.roots


@pytest.mark.parametrize("pattern", ["a", "a:1", "a:*", "docker.io/library/a", "*/*/a:1", "**/a:?"])
def test_images_are_chosen_by_any_form_of_their_name(pattern: str) -> None:
    chosen = choose(docker_claim(x="a:1", y="b:1"), Choice(images=(pattern,)))
    assert tags(chosen) == [("a:1",)]


def test_a_star_in_a_pattern_matches_no_slash() -> None:
    claim = docker_claim(x="team/a:1", y="team/b/c:1")
    assert tags(choose(claim, Choice(images=("team/*",)))) == [("team/a:1",)]
    assert tags(choose(claim, Choice(images=("team/**",)))) == [("team/a:1",), ("team/b/c:1",)]
    with pytest.raises(InvalidReference):
        choose(claim, Choice(images=("team/[a",)))


def test_images_are_chosen_by_the_start_of_an_id_of_four_characters() -> None:
    claim = docker_claim(x="a:1", y="")
    wanted = digest(config(b"y"))
    for pattern in (wanted, wanted[:12], wanted[7:11]):
        assert tags(choose(claim, Choice(images=(pattern,)))) == [()]
    with pytest.raises(InvalidInput):
        choose(claim, Choice(images=(wanted[7:10],)))


def test_a_pattern_without_a_match_is_refused_and_the_names_are_listed() -> None:
    with pytest.raises(InvalidInput, match="the archive has no image 'gone' or 'lost'") as caught:
        choose(docker_claim(x="a:1"), Choice(images=("a", "gone", "lost")))
    assert caught.value.hint == "choose from a:1"
    with pytest.raises(InvalidInput) as whole:
        choose(docker_claim(x="docker.io/library/a:1"), Choice(images=("gone",)))
    assert whole.value.hint == "choose from a:1"
    with pytest.raises(InvalidInput) as empty:
        choose(docker_claim(), Choice(images=("a",)))
    assert empty.value.hint == "choose another archive: this one has no images"


def test_a_platform_keeps_its_image_its_attestation_and_the_referrers() -> None:
    layout, (amd64, _, statement, index, signature) = two_platforms()
    chosen = choose(layout_claim(layout), Choice(platforms=(Platform.parse("linux/amd64"),)))
    assert documents(chosen) == {amd64, statement, index, signature}
    assert [str(root.digest) for root in chosen.graph.roots] == [index, signature]


def test_a_platform_that_the_archive_lacks_is_refused_and_the_others_are_listed() -> None:
    wanted = Choice(platforms=(Platform.parse("linux/s390x"), Platform.parse("windows/amd64")))
    layout, _ = two_platforms()
    with pytest.raises(InvalidInput) as caught:
        choose(layout_claim(layout), wanted)
    assert caught.value.message == (
        "the archive has no image for the platform linux/s390x or windows/amd64"
    )
    assert caught.value.hint is not None
    assert "linux/amd64, linux/arm64" in caught.value.hint


def test_a_chosen_image_brings_its_referrers() -> None:
    layout, everything = two_platforms()
    layout.root(layout.image(A, B), "docker.io/library/other:1")
    chosen = choose(layout_claim(layout), Choice(images=("app",)))
    assert documents(chosen) == set(everything)


def test_one_name_is_given_to_the_only_image() -> None:
    new = Choice(tag=Reference.parse("new:1"))
    assert tags(choose(docker_claim(x="a:1"), new)) == [("docker.io/library/new:1",)]
    layout, _ = two_platforms()
    assert names(choose(layout_claim(layout), new)) == [("docker.io/library/new:1",), ()]
    with pytest.raises(InvalidInput, match="one name to the 2 images") as caught:
        choose(docker_claim(x="a:1", y="b:1"), new)
    assert caught.value.remedy is Remedy.NAME_ONE_IMAGE


def test_no_tags_removes_all_names() -> None:
    assert tags(choose(docker_claim(x="a:1"), Choice(no_tags=True))) == [()]
    layout, _ = two_platforms()
    assert names(choose(layout_claim(layout), Choice(no_tags=True))) == [(), ()]


def test_a_bare_tag_is_noted_and_a_prefix_makes_it_a_name() -> None:
    layout = Layout()
    layout.root(layout.image(A), **{REF_NAME: "1.4"})
    claim = layout_claim(layout)
    (note,) = choose(claim, Choice()).notes
    assert "only by the tag 1.4, without a repository" in note
    assert isinstance(note, Note)
    assert note.remedy is Remedy.NAME_BARE_TAG
    chosen = choose(claim, Choice(prefix="team/app/"))
    assert (names(chosen), chosen.notes) == ([("docker.io/team/app:1.4",)], ())


def test_missing_content_of_an_index_is_noted_or_refused() -> None:
    layout = Layout()
    layout.root(layout.index(layout.image(A), layout.absent("linux/s390x")))
    claim = layout_claim(layout)
    (note,) = choose(claim, Choice()).notes
    assert note.startswith("sparse index: neither the archive nor the store has linux/s390x (")
    with pytest.raises(InvalidInput) as caught:
        choose(claim, Choice(require_all=True))
    assert caught.value.remedy is Remedy.ACCEPT_SPARSE


def test_a_parent_that_was_not_chosen_is_dropped() -> None:
    parent, child = config(A), config(A, B)
    entries = [
        {"Config": "p", "RepoTags": ["p:1"], "Layers": ["l"]},
        {"Config": "c", "RepoTags": ["c:1"], "Layers": ["l", "m"], "Parent": digest(parent)},
    ]
    files = {"p": parent, "c": child, "manifest.json": encode(entries)}
    claim = docker.claim(MemoryFiles(files).document, DEFAULT_LIMITS)
    both = choose(claim, Choice())
    assert [str(image.parent) for image in both.images] == ["None", digest(parent)]
    assert choose(claim, Choice(images=("c",))).images[0].parent is None


def nested(layout: Layout, levels: int) -> None:
    """Add an index of two images, inside ``levels`` indexes that each list the next one twice."""
    inner = layout.index(
        layout.image(A, platform="linux/amd64"), layout.image(B, platform="linux/arm64")
    )
    for _ in range(levels):
        inner = layout.index(inner, inner)
    layout.root(inner, "docker.io/library/app:1")


@pytest.mark.parametrize(
    "choice", [Choice(platforms=(Platform.parse("linux/arm64"),)), Choice(images=("app*",))]
)
def test_indexes_that_list_the_next_one_twice_are_walked_once(choice: Choice) -> None:
    layout = Layout()
    nested(layout, 28)
    start = time.process_time()
    chosen = choose(layout_claim(layout), choice)
    assert time.process_time() - start < 2
    assert len(chosen.graph.documents) == (30 if choice.platforms else 31)


def test_a_chain_of_referrers_is_followed_once() -> None:
    layout = Layout()
    subject = layout.image(A, platform="linux/amd64")
    layout.root(subject, "docker.io/library/app:1")
    for number in range(1500):
        subject = layout.artifact(b"%d" % number, subject=subject)
        layout.roots.insert(0, subject)
    claim = layout_claim(layout)
    start = time.process_time()
    chosen = choose(claim, Choice(platforms=(Platform.parse("linux/amd64"),)))
    assert time.process_time() - start < 2
    assert len(chosen.graph.roots) == 1501


def test_many_indexes_that_share_one_are_walked_once() -> None:
    layout = Layout()
    images = [layout.artifact(b"%d" % number) for number in range(600)]
    shared = layout.index(*images)
    for number in range(600):
        layout.root(layout.index(shared, annotations={"n": str(number)}), f"x.io/app:{number}")
    claim = layout_claim(layout)
    start = time.process_time()
    for choice in (Choice(), Choice(images=("x.io/app*",))):
        assert len(choose(claim, choice).graph.documents) == 1201
    assert time.process_time() - start < 2


def test_a_broken_image_refuses_only_itself() -> None:
    files = {"good": config(A), "bad": b"[", "old": config(A, B, architecture="arm64")}
    entries = [
        {"Config": "good", "RepoTags": ["good:1"], "Layers": ["l"]},
        {"Config": "bad", "RepoTags": ["bad:1"], "Layers": ["l"]},
        {"Config": "old", "RepoTags": ["old:1"], "Layers": ["l"]},
    ]
    files["manifest.json"] = encode(entries)
    claim = docker.claim(MemoryFiles(files).document, DEFAULT_LIMITS)
    assert tags(choose(claim, Choice(images=("good",)))) == [("good:1",)]
    with pytest.raises(InvalidDocument):
        choose(claim, Choice())
    with pytest.raises(InvalidDocument, match="bad"):
        choose(claim, Choice(images=("bad:*",)))
    with pytest.raises(InvalidDocument, match="layers length mismatch"):
        choose(claim, Choice(images=(digest(files["old"])[7:19],)))
    amd64 = Choice(images=("good", "old"), platforms=(Platform.parse("linux/amd64"),))
    assert tags(choose(claim, amd64)) == [("good:1",)]


def test_a_damaged_document_refuses_only_the_roots_above_it() -> None:
    layout, (amd64, arm64, *_) = two_platforms()
    layout.root(layout.image(B, B), "docker.io/library/other:1")
    layout.blobs[arm64] = b"{}"
    claim = layout_claim(layout)
    assert names(choose(claim, Choice(images=("other",)))) == [("docker.io/library/other:1",)]
    for refused in (Choice(), Choice(images=("app",)), Choice(platforms=(ARM64,))):
        with pytest.raises(DigestMismatch):
            choose(claim, refused)
    chosen = choose(claim, Choice(images=("app",), platforms=(AMD64,)))
    assert amd64 in documents(chosen)


def test_a_damaged_root_is_left_out_if_index_json_states_another_platform() -> None:
    layout = Layout()
    layout.root(layout.image(A), "docker.io/library/app:1")
    damaged = layout.root(layout.image(B, platform="linux/arm64"), "docker.io/library/app:2")
    layout.blobs[damaged["digest"]] = b"{}"
    claim = layout_claim(layout)
    assert names(choose(claim, Choice(platforms=(AMD64,)))) == [("docker.io/library/app:1",)]
    with pytest.raises(DigestMismatch):
        choose(claim, Choice(platforms=(ARM64,)))


def test_a_name_that_is_not_valid_is_left_out_or_refused_if_it_is_asked_for() -> None:
    claim = docker_claim(x="demo/MyApp:1", y="<none>:<none>", z="b:1")
    chosen = choose(claim, Choice())
    assert tags(chosen) == [(), (), ("b:1",)]
    assert chosen.notes == (
        "ignored the invalid image name 'demo/MyApp:1'",
        "ignored the invalid image name '<none>:<none>'",
    )
    assert [getattr(note, "remedy", None) for note in chosen.notes] == [Remedy.RENAME_IMAGE] * 2
    assert choose(claim, Choice(no_tags=True)).notes == ()
    assert choose(claim, Choice(images=("b",))).notes == ()
    wanted = ("demo/MyApp:1",)
    with pytest.raises(InvalidReference, match="must be lowercase") as caught:
        choose(claim, Choice(images=wanted))
    assert caught.value.remedy is Remedy.NAME_IMAGE
    assert tags(choose(claim, Choice(images=wanted, no_tags=True))) == [()]
    renamed = choose(claim, Choice(images=wanted, tag=Reference.parse("a:1")))
    assert tags(renamed) == [("docker.io/library/a:1",)]
    assert tags(choose(claim, Choice(images=("demo/*",)))) == [()]


def test_referrers_of_referrers_are_chosen_with_an_image() -> None:
    layout = Layout()
    image = layout.root(layout.image(A), "docker.io/library/app:1")
    signature = layout.root(layout.artifact(b"signed", subject=image))
    stamp = layout.root(layout.artifact(b"stamped", subject=signature))
    layout.root(layout.image(B), "docker.io/library/other:1")
    chosen = choose(layout_claim(layout), Choice(images=("app",)))
    assert documents(chosen) == {one["digest"] for one in (image, signature, stamp)}


def test_a_damaged_referrer_belongs_to_the_subject_that_index_json_states() -> None:
    layout = Layout()
    layout.root(layout.image(A), "docker.io/library/app:1")
    other = layout.root(layout.image(B, platform="linux/arm64"), "docker.io/library/other:1")
    damaged = layout.root(
        layout.artifact(b"signed", subject=other),
        **{"io.containerd.manifest.subject": other["digest"]},
    )
    layout.blobs[damaged["digest"]] = b"{}"
    claim = layout_claim(layout)
    for choice in (Choice(images=("app",)), Choice(platforms=(AMD64,))):
        assert names(choose(claim, choice)) == [("docker.io/library/app:1",)]
    for choice in (Choice(images=("other",)), Choice(platforms=(ARM64,))):
        with pytest.raises(DigestMismatch):
            choose(claim, choice)


def test_a_single_image_keeps_its_names_and_several_are_refused() -> None:
    layout, digests = two_platforms()
    single = Choice(is_single=True)
    chosen = choose(layout_claim(layout), single)
    assert [root.names for root in chosen.graph.roots if str(root.digest) == digests[3]] == [
        ("docker.io/library/app:1",)
    ]
    layout.root(layout.image(B), "docker.io/library/other:1")
    with pytest.raises(InvalidInput, match="2 images") as caught:
        choose(layout_claim(layout), single)
    assert caught.value.remedy is Remedy.NAME_ONE_IMAGE
