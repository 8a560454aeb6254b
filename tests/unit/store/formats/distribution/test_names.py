"""Repository names as they are written in URLs."""

from __future__ import annotations

import pytest

from store import errors
from store.errors import InvalidReference
from store.formats.distribution.names import BY_ID, Names, alias, without_alias
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
        ("a.example_5000/app", None, "docker.io", "a.example:5000/app"),
        ("host_5000.registry/app", None, "docker.io", "host:5000/app"),
        ("localhost_5000.registry/app", None, "corp.example", "localhost:5000/app"),
        # No aliases: names of Docker Hub, of a whole repository, and of a registry in ``ns``.
        ("host_5000/app", None, "docker.io", "docker.io/host_5000/app"),
        ("a.example_5000", None, "docker.io", "docker.io/library/a.example_5000"),
        ("docker.io/a.example_5000/app", None, "docker.io", "docker.io/a.example_5000/app"),
        ("a.example_5000/app", "quay.io", "docker.io", "quay.io/a.example_5000/app"),
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
    "name",
    [
        "a.example_x/app",
        "host_x.registry/app",
        "-a.example_5000/app",
        "Foo",
        "foo//bar",
        "foo:tag",
        "",
        "../etc",
        "foo@sha256:" + "0" * 64,
        "-foo",
        "foo/",
    ],
)
def test_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(errors.InvalidInput):
        Names().resolve(name)


@pytest.mark.parametrize(
    "namespace", ["a.example_5000", "no such host", "a", "a/b", "quay.io/a", "x\r\ny"]
)
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
        "docker.io/a.b_5000/c",
        "corp.example/foo",
        "a.example:5000/foo",
        "10.0.0.7:5000/foo",
        "xn--a-9.example:80/foo",
        "host:5000/foo",
        "localhost:443/foo",
        "A.example:5000/foo",
    ],
)
@pytest.mark.parametrize("default", ["docker.io", "corp.example"])
def test_spelled_name_resolves_to_the_same_repository(name: str, default: str) -> None:
    names, repository = Names(default), Repository(*name.split("/", 1))
    assert names.resolve(names.spell(repository)) == repository


@pytest.mark.parametrize(
    ("registry", "written"),
    [
        ("a.example:5000", "a.example_5000"),
        ("host:5000", "host_5000.registry"),
        ("localhost:443", "localhost_443.registry"),
        ("quay.io", "quay.io"),
        ("localhost", "localhost"),
        # No part of a path has capital letters.
        ("A.example:5000", "A.example:5000"),
    ],
)
def test_registry_with_a_port_has_an_alias_that_is_a_part_of_a_path(
    registry: str, written: str
) -> None:
    assert alias(registry) == written
    assert without_alias(f"{written}/app") == f"{registry}/app"
    if written != registry:
        assert str(Repository.parse(f"docker.io/{written}/app")) == f"docker.io/{written}/app"


@pytest.mark.parametrize("default", ["docker.io", "corp.example", "corp.example:5000"])
def test_references_may_begin_with_an_alias(default: str) -> None:
    found = Names(default).reference("a.example_5000/team/app:1")
    assert (found.repository.domain, found.repository.path, found.tag) == (
        "a.example:5000",
        "team/app",
        "1",
    )
    assert Names(default).spell(found.repository) == "a.example_5000/team/app"


def test_images_without_a_name_have_a_repository_of_their_own() -> None:
    assert Names().resolve("_/by-id") == BY_ID
