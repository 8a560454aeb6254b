"""Repository names as they are written in URLs."""

from __future__ import annotations

import pytest

from store import errors
from store.errors import InvalidReference
from store.formats.distribution.names import BY_ID, Names
from store.model.references import Repository


@pytest.mark.parametrize(
    ("name", "namespace", "default", "found"),
    [
        ("foo", None, "docker.io", "docker.io/library/foo"),
        ("library/foo", None, "docker.io", "docker.io/library/foo"),
        ("team/app", None, "docker.io", "docker.io/team/app"),
        ("quay.io/team/app", None, "docker.io", "quay.io/team/app"),
        ("localhost/app", None, "docker.io", "localhost/app"),
        ("host:5000/app", None, "docker.io", "host:5000/app"),
        ("foo", "docker.io", "corp.example", "docker.io/library/foo"),
        ("foo", "registry-1.docker.io", "corp.example", "docker.io/library/foo"),
        ("team/app", "quay.io", "docker.io", "quay.io/team/app"),
        ("foo", "quay.io", "docker.io", "quay.io/foo"),
        ("foo", None, "corp.example", "corp.example/foo"),
        ("docker.io/foo", None, "corp.example", "docker.io/library/foo"),
    ],
)
def test_name_resolves_to_its_repository(
    name: str, namespace: str | None, default: str, found: str
) -> None:
    assert str(Names(default).resolve(name, namespace)) == found


@pytest.mark.parametrize(
    "name", ["Foo", "foo//bar", "foo:tag", "", "../etc", "foo@sha256:" + "0" * 64, "-foo", "foo/"]
)
def test_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(errors.InvalidInput):
        Names().resolve(name)


@pytest.mark.parametrize("namespace", ["no such host", "a", "a/b", "quay.io/a", "x\r\ny"])
def test_invalid_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(InvalidReference):
        Names().resolve("foo", namespace)


@pytest.mark.parametrize(
    "name",
    [
        "docker.io/library/foo",
        "docker.io/team/app",
        "quay.io/x",
        "docker.io/a.b/c",
        "corp.example/foo",
    ],
)
@pytest.mark.parametrize("default", ["docker.io", "corp.example"])
def test_spelled_name_resolves_to_the_same_repository(name: str, default: str) -> None:
    names, repository = Names(default), Repository(*name.split("/", 1))
    assert names.resolve(names.spell(repository)) == repository


def test_images_without_a_name_have_a_repository_of_their_own() -> None:
    assert Names().resolve("_/by-id") == BY_ID
