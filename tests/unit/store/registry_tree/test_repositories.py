"""The repositories of a registry's files, and their links."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import TooLarge
from store.model.digests import Digest
from store.model.limits import TreeLimits
from store.registry_tree.disk import Tree
from store.registry_tree.findings import Findings, Kind
from store.registry_tree.repositories import Links, read_links, repositories
from tests.support.registry_trees import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registry_trees import RegistryFiles

ONE, TWO = Digest.of(b"one"), Digest.of(b"two", "sha512")


def names(files: RegistryFiles, findings: Findings) -> list[str]:
    with Tree(files.folder) as tree:
        return list(repositories(tree, findings))


def links(files: RegistryFiles, findings: Findings) -> Links:
    with Tree(files.folder) as tree:
        return read_links(tree, "team/app", findings)


def test_repositories_may_be_inside_of_others(files: RegistryFiles) -> None:
    for name in ("team/app/tools", "team/app", "library/debian", "z"):
        write(files.revision(name, str(ONE)), b"")
    (files.repository("empty/project")).mkdir(parents=True)
    findings = Findings(9)
    assert names(files, findings) == ["library/debian", "team/app", "team/app/tools", "z"]
    assert findings.found == []


def test_folders_that_are_no_repositories_are_reported(
    files: RegistryFiles, tmp_path: Path
) -> None:
    write(files.revision("Upper/Case", str(ONE)), b"")
    (files.repository("link")).symlink_to(tmp_path)
    findings = Findings(9)
    assert names(files, findings) == []
    assert {one.kind for one in findings.found} == {Kind.INVALID_NAME, Kind.UNSAFE_ENTRY}


def test_the_number_of_repositories_and_their_depth_have_ceilings(files: RegistryFiles) -> None:
    for name in ("a", "b", "c/d/e/f"):
        write(files.revision(name, str(ONE)), b"")
    with Tree(files.folder, TreeLimits(repositories=2)) as tree, pytest.raises(TooLarge):
        list(repositories(tree, Findings(9)))
    with Tree(files.folder, TreeLimits(repository_parts=3)) as tree:
        assert list(repositories(tree, Findings(9))) == ["a", "b"]


def test_links_are_read(files: RegistryFiles) -> None:
    files.set_tag("team/app", "1.0", str(ONE))
    write(files.revision("team/app", str(ONE)), str(ONE).encode())
    write(files.revision("team/app", str(TWO)), str(TWO).encode() + b"\n")
    write(files.layer("team/app", str(ONE)), str(ONE).encode())
    # A registry that deletes a manifest leaves the folder of its link.
    files.revision("team/app", str(Digest.of(b"gone"))).parent.mkdir()
    findings = Findings(9)
    assert links(files, findings) == Links("team/app", {"1.0": ONE}, (ONE, TWO), (ONE,))
    assert findings.found == []


def test_faults_of_links_are_reported_and_stop_nothing(
    files: RegistryFiles, tmp_path: Path
) -> None:
    files.set_tag("team/app", "good", str(ONE))
    write(files.tag("team/app", "text"), b"not a digest")
    write(files.tag("team/app", "long"), str(ONE).encode() + b" " * 1000)
    write(files.tag("team/app", "binary"), b"\xff\xfe")
    (files.tag("team/app", "none").parent).mkdir(parents=True)
    write(files.tag("team/app", "bad tag"), str(ONE).encode())
    linked = files.tag("team/app", "linked")
    linked.parent.mkdir(parents=True)
    write(tmp_path / "elsewhere", str(ONE).encode())
    linked.symlink_to(tmp_path / "elsewhere")
    write(files.revision("team/app", str(ONE)), str(Digest.of(b"other")).encode())
    write(files.revision("team/app", "sha256:short"), b"")
    write(files.repository("team/app") / "_layers/sha256/file", b"")
    findings = Findings(99)
    found = links(files, findings)
    assert (found.tags, found.revisions, found.layers) == ({"good": ONE}, (), ())
    assert {one.subject for one in findings.found if one.kind is Kind.INVALID_NAME} == {"bad tag"}
    invalid = {one.subject for one in findings.found if one.kind is Kind.INVALID_LINK}
    assert {"tag text", "tag long", "tag binary", "tag none", str(ONE), "short"} <= invalid
    assert {one.subject for one in findings.found if one.kind is Kind.UNSAFE_ENTRY} == {
        "tag linked"
    }
