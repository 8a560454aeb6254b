"""What of a registry's files is chosen, and the names in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidDigest, InvalidReference
from store.model.digests import Digest
from store.registry_tree.disk import Tree
from store.registry_tree.findings import Findings
from store.registry_tree.graph import RepositoryGraph, read_graph
from store.registry_tree.repositories import read_links
from store.registry_tree.selection import Wanted, chosen_roots, full_name
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from tests.support.registry_trees import RegistryFiles

ONE = Digest.of(b"1")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("app", Wanted("app")),
        ("library/app:1", Wanted("library/app", "1")),
        (f"a/b@{ONE}", Wanted("a/b", None, ONE)),
        (f"a/b:1@{ONE}", Wanted("a/b", None, ONE)),
    ],
)
def test_names_are_parsed(text: str, wanted: Wanted) -> None:
    assert Wanted.parse(text) == wanted
    assert wanted.is_one_image == (text != "app")


@pytest.mark.parametrize("text", ["", "App", "a:", "a@", "a:b:c", "../a", "a b", ":1"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises((InvalidReference, InvalidDigest)):
        Wanted.parse(text)


@pytest.fixture
def graph(files: RegistryFiles) -> RepositoryGraph:
    layout = Layout()
    image = layout.image(gzip(A))
    other = layout.image(gzip(B))
    signature = layout.artifact(b"signed", subject=image)
    layout.artifact(b"of the signature", subject=signature)
    cosign = layout.artifact(b"cosign")
    name = image["digest"].replace(":", "-")
    files.push(layout, "team/app", one=image, two=other, **{f"{name}.sig": cosign})
    findings = Findings(9)
    with Tree(files.folder) as tree:
        found = read_graph(tree, read_links(tree, "team/app", findings), findings)
    assert findings.found == []
    return found


def chosen(graph: RepositoryGraph, wanted: Wanted | None, *patterns: str) -> list[str]:
    found = chosen_roots(graph, wanted, patterns, "")
    return sorted(name.rpartition(":")[2][:5] or "-" for names in found.values() for name in names)


def test_everything_is_chosen_by_default(graph: RepositoryGraph) -> None:
    assert len(chosen_roots(graph, None, (), "")) == 5
    assert chosen(graph, None) == ["one", "sha25", "two"]


@pytest.mark.parametrize("by", ["tag", "digest", "pattern", "identifier"])
def test_an_image_comes_with_all_that_refers_to_it(graph: RepositoryGraph, by: str) -> None:
    digest = graph.links.tags["one"]
    found = {
        "tag": lambda: chosen_roots(graph, Wanted("team/app", "one"), (), ""),
        "digest": lambda: chosen_roots(graph, Wanted("team/app", None, digest), (), ""),
        "pattern": lambda: chosen_roots(graph, None, ("team/*:one",), ""),
        "identifier": lambda: chosen_roots(graph, None, (digest.hex[:8],), ""),
    }[by]()
    assert len(found) == 4
    assert found[digest] == (() if by == "identifier" else ("docker.io/team/app:one",))
    assert graph.links.tags["two"] not in found


def test_an_image_without_referrers_is_alone(graph: RepositoryGraph) -> None:
    assert chosen(graph, Wanted("team/app", "two")) == ["two"]
    assert chosen(graph, Wanted("team/app", "none")) == []
    assert chosen(graph, None, "other/**") == []


@pytest.mark.parametrize(
    ("repository", "prefix", "name"),
    [
        ("app", "", "docker.io/library/app:1"),
        ("library/debian", "", "docker.io/library/debian:1"),
        ("library/debian", "r.example:5000", "r.example:5000/library/debian:1"),
        ("ghcr.io/a/b", "", "ghcr.io/a/b:1"),
        ("team/app", "mirror/", "docker.io/mirror/team/app:1"),
    ],
)
def test_names_keep_all_parts_of_the_repository(repository: str, prefix: str, name: str) -> None:
    assert full_name(repository, "1", prefix) == name
