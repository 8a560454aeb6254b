from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.names.locations import (
    DaemonImage,
    DockerArchive,
    FolderImage,
    HostImage,
    LayoutImage,
    Location,
    OciArchive,
    RegistryImage,
    RegistryTree,
    StoredImage,
)
from remote.names.parsing import MAX_NAME_CHARACTERS, parse_location
from remote.names.transports import PREFIXES, Transport
from store.errors import InvalidDigest, InvalidInput, InvalidReference
from store.model.digests import Digest
from store.model.references import Reference

DIGEST = "sha256:" + "ab" * 32


def in_registry(text: str) -> RegistryImage:
    return RegistryImage(Reference.parse(text))


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("docker://alpine", in_registry("docker.io/library/alpine")),
        ("docker://localhost:5000/a/b:1", in_registry("localhost:5000/a/b:1")),
        (f"docker://quay.io/a:1@{DIGEST}", in_registry(f"quay.io/a:1@{DIGEST}")),
        ("store:app:1", StoredImage("app:1")),
        ("store:0123abcd", StoredImage("0123abcd")),
        ("oci:a/b", LayoutImage(Path("a/b"))),
        ("oci:/a:app:1", LayoutImage(Path("/a"), "app:1")),
        ("oci:a:registry.example/app:1", LayoutImage(Path("a"), "registry.example/app:1")),
        ("oci:a:@2", LayoutImage(Path("a"), None, 2)),
        ("oci-archive:a.tar", OciArchive(Path("a.tar"))),
        ("oci-archive:a.tar:1.0", OciArchive(Path("a.tar"), "1.0")),
        ("docker-archive:a.tar", DockerArchive(Path("a.tar"))),
        ("docker-archive:a.tar:app", DockerArchive(Path("a.tar"), Reference.parse("app:latest"))),
        ("docker-archive:a.tar:@7", DockerArchive(Path("a.tar"), None, 7)),
        ("dir:/a:b", FolderImage(Path("/a:b"))),
        ("docker-daemon:app", DaemonImage(Reference.parse("app:latest"))),
        (f"docker-daemon:app@{DIGEST}", DaemonImage(Reference.parse(f"app@{DIGEST}"))),
        (f"docker-daemon:{DIGEST}", DaemonImage(Digest.parse(DIGEST))),
        ("ssh://host", HostImage("host")),
        ("ssh://host/", HostImage("host")),
        ("ssh://me@host:22/srv/a", HostImage("host", "me", 22, "/srv/a")),
        ("ssh://me@corp@host", HostImage("host", "me@corp")),
        ("ssh://host::app:1", HostImage("host", name="app:1")),
        ("ssh://[fe80::1%eth0]:22::app", HostImage("fe80::1%eth0", port=22, name="app")),
        ("ssh://[::1]", HostImage("::1")),
        ("ssh://host/a::b::app", HostImage("host", root="/a::b", name="app")),
        ("registry-tree:/var", RegistryTree(Path("/var"))),
        ("registry-tree:/var:a/b:1", RegistryTree(Path("/var"), "a/b:1")),
    ],
)
def test_names_are_parsed_as_skopeo_spells_them(text: str, location: Location) -> None:
    assert parse_location(text) == location
    assert parse_location(text, Transport.REGISTRY) == location
    assert parse_location(str(location)) == location


@pytest.mark.parametrize(
    ("text", "default", "location"),
    [
        ("alpine", Transport.REGISTRY, in_registry("alpine")),
        # The image `docker` is popular; its tags are not transports.
        ("docker:dind", Transport.REGISTRY, in_registry("docker:dind")),
        ("localhost:5000/app", Transport.REGISTRY, in_registry("localhost:5000/app")),
        ("ostree:1", Transport.REGISTRY, in_registry("ostree:1")),
        ("app:1", Transport.STORE, StoredImage("app:1")),
        ("0123abcd", Transport.STORE, StoredImage("0123abcd")),
    ],
)
def test_a_name_without_a_transport_gets_the_default(
    text: str, default: Transport, location: Location
) -> None:
    assert parse_location(text, default) == location


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("alpine", "it has no transport"),
        ("docker:alpine", "it has no transport"),
        ("https://quay.io/app", "write 'docker://quay.io/app'"),
        ("s3://bucket/app", "the transport 's3' is unknown"),
        ("containers-storage:app", "'containers-storage' is not supported"),
        ("sif:app", "'sif' is not supported"),
    ],
)
def test_a_name_of_no_known_transport_is_refused_with_the_list(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_location(text)
    assert reason in caught.value.message
    assert PREFIXES in str(caught.value.hint)
    assert caught.value.text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("docker://", "nothing follows 'docker://'"),
        ("docker://https://quay.io/app", "leave out 'https://'"),
        ("store:", "nothing follows 'store:'"),
        ("oci::app", "the path is empty"),
        ("oci:a:", "nothing follows the last ':'"),
        ("oci:a:b c", "'b c' is not a name in a layout"),
        ("docker-archive:a.tar:", "nothing follows the last ':'"),
        (f"docker-archive:a.tar:app@{DIGEST}", "has no digest"),
        (f"docker-daemon:app:1@{DIGEST}", "leave out one of the two"),
        ("registry-tree::a", "the path is empty"),
        ("registry-tree:/a:", "nothing follows the last ':'"),
        ("ssh://host::", "nothing follows '::'"),
        ("ssh:///srv", "the host is missing"),
        ("ssh://me:secret@host", "it has a password"),
        ("ssh://-oProxyCommand=x", "cannot begin with '-'"),
        ("ssh://-x@host", "cannot begin with '-'"),
        ("ssh://host:0", "not in the range"),
        ("ssh://host:99999", "not in the range"),
        ("ssh://host:ssh", "'ssh' is not a number"),
        ("ssh://ho st", "a character that is not allowed"),
        ("dir:a\0b", "a zero byte"),
        ("oci:" + "a" * MAX_NAME_CHARACTERS, "is longer than"),
    ],
)
def test_a_name_of_another_form_is_refused_with_the_form(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_location(text)
    assert reason in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["docker://App", "docker://a b", "docker-archive:a.tar:A"])
def test_references_keep_their_own_errors(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_location(text)
    assert caught.value.message.startswith("invalid reference format")


@pytest.mark.parametrize("text", ["docker-daemon:sha256:abcd", f"docker://a@md5:{'ab' * 16}"])
def test_an_invalid_digest_is_refused(text: str) -> None:
    with pytest.raises((InvalidDigest, InvalidReference)) as caught:
        parse_location(text)
    assert caught.value.hint


def test_a_hostile_name_reaches_no_terminal() -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_location("oci:a:\x1b[2J")
    assert "\x1b" not in caught.value.message


@given(
    prefix=st.sampled_from(["", *(transport.value for transport in Transport)]),
    rest=st.text(max_size=80),
    default=st.sampled_from([None, *Transport]),
)
def test_any_text_is_a_location_or_an_error(
    prefix: str, rest: str, default: Transport | None
) -> None:
    try:
        location = parse_location(prefix + rest, default)
    except InvalidInput:
        return
    # A path is spelled without the slashes and dots that mean nothing.
    if not isinstance(location, FolderImage):
        assert str(parse_location(str(location))) == str(location)
