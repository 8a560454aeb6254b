"""The parsing of requests for archives."""

from __future__ import annotations

import pytest

from mirror.protocol import archive_request
from mirror.protocol.errors import WireError
from store.errors import InvalidReference
from store.formats.distribution.names import Names
from store.model.platforms import DEFAULT


def parse(path: str, *parameters: tuple[str, str]) -> archive_request.ArchiveRequest:
    return archive_request.parse(path, parameters, Names(), DEFAULT)


def test_parameters_become_options() -> None:
    request = parse(
        "oci/demo:1",
        ("platform", "linux/arm64"),
        ("platform", "linux/amd64,windows/amd64"),
        ("referrers", ""),
        ("sparse", "0"),
    )
    assert [str(one) for one in request.options.platforms] == [
        "linux/arm64",
        "linux/amd64",
        "windows/amd64",
    ]
    assert (request.options.referrers, request.options.sparse) == (True, False)
    assert request.arguments == ("docker.io/library/demo:1",)


def test_namespace_applies_to_every_name() -> None:
    assert parse("oci/a:1,team/b:2", ("ns", "quay.io")).arguments == (
        "quay.io/a:1",
        "quay.io/team/b:2",
    )


@pytest.mark.parametrize(
    ("path", "file_name"),
    [
        ("oci/demo:1", "demo-1.oci.tar"),
        ("legacy/a/b:1,sha256:" + "0" * 64, "a-b-1-and-1-more.tar"),
        ("docker/sha256:" + "ab" * 32, "sha256-abababababab.tar"),
    ],
)
def test_file_name_is_safe(path: str, file_name: str) -> None:
    assert parse(path).file_name == file_name


@pytest.mark.parametrize(
    ("path", "parameters", "status", "code"),
    [
        ("oci", (), 404, "UNSUPPORTED"),
        ("zip/demo", (), 404, "UNSUPPORTED"),
        ("oci/demo", (("plattform", "linux/amd64"),), 400, "UNSUPPORTED"),
        ("oci/demo", (("sparse", "perhaps"),), 400, "UNSUPPORTED"),
        ("oci/demo", (("platform", "linux"),), 400, "UNSUPPORTED"),
        ("legacy/demo", (("sparse", "1"),), 400, "UNSUPPORTED"),
        ("legacy/sha256:0123", (), 400, "DIGEST_INVALID"),
        ("oci/" + ",".join(["a"] * 101), (), 414, "NAME_INVALID"),
    ],
)
def test_invalid_request_is_refused(
    path: str, parameters: tuple[tuple[str, str], ...], status: int, code: str
) -> None:
    with pytest.raises(WireError) as refused:
        parse(path, *parameters)
    assert (refused.value.status, refused.value.code) == (status, code)


def test_invalid_name_is_refused() -> None:
    with pytest.raises(InvalidReference):
        parse("oci/demo:1,")
