"""The images of sync files, sent to one registry."""

from __future__ import annotations

import pytest

from remote.sync.destinations import Destination, sent_to
from store.errors import InvalidInput
from tests.support.syncs import read

FILES = {
    "list": "quay.io/team/app:1\ndebian:12\n",
    "skopeo": (
        "quay.io: {images: {team/app: ['1']}}\ndocker.io: {images: {library/debian: ['12']}}\n"
    ),
    "hauler": (
        "apiVersion: content.hauler.cattle.io/v1\nkind: Images\n"
        "spec: {images: [{name: 'quay.io/team/app:1'}, {name: 'debian:12'}]}\n"
    ),
    "own": "sources: [{image: 'quay.io/team/app:1'}, {image: 'debian:12'}]\n",
}


@pytest.mark.parametrize("kind", FILES)
def test_names_lose_their_registries_or_keep_them(kind: str) -> None:
    place = Destination.parse("docker://host:5000/mirror/")
    found = sent_to(read(FILES[kind]), place)
    assert [str(one.place) for one in found.sources] == [
        "docker://host:5000/mirror/team/app",
        "docker://host:5000/mirror/library/debian",
    ]
    assert all(one.parts is not None and one.parts.all_platforms for one in found.sources)
    scoped = sent_to(read(FILES[kind]), Destination.parse("docker://host.io", is_scoped=True))
    assert [str(one.place) for one in scoped.sources] == [
        "docker://host.io/quay.io/team/app",
        "docker://host.io/docker.io/library/debian",
    ]


def test_what_a_file_sends_elsewhere_goes_there() -> None:
    text = (
        "defaults: {platforms: [linux/arm64]}\nsources:\n"
        "- {image: 'a.io/x:1', to: 'docker://b.io/y:1'}\n"
        "- {image: 'a.io/x:2', to: 'z/own'}\n"
    )
    first, second = sent_to(read(text), Destination.parse("docker://host.io/m")).sources
    assert [str(one.place) for one in (first, second)] == [
        "docker://b.io/y",
        "docker://host.io/m/z/own",
    ]
    assert second.parts is not None
    assert not second.parts.all_platforms


def test_two_images_do_not_get_one_name() -> None:
    place = Destination.parse("docker://host.io")
    with pytest.raises(InvalidInput, match="would both be sent to") as caught:
        sent_to(read("a.io/x/app:1\nb.io/x/app:2\n"), place)
    assert "keep the registries" in (caught.value.hint or "")
    assert len(sent_to(read("a.io/x/app:1\na.io/x/app:2\n"), place).sources) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "registry.example",
        "docker://",
        "docker:///",
        "docker://UPPER/x y",
        "oci:x",
        "ssh://h",
        "docker://host/x:tag",
        f"docker://host/x@sha256:{'0' * 64}",
    ],
)
def test_a_destination_has_one_form(text: str) -> None:
    with pytest.raises(InvalidInput, match="destination") as caught:
        Destination.parse(text)
    assert "docker://REGISTRY[/PATH]" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["to:", "to: ''", "to: 'docker://'", "to: 'store:'"])
def test_an_empty_destination_in_a_file_is_an_error(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"line 3.*names no repository"):
        read(f"sources:\n- image: debian:12\n  {text}\n")
