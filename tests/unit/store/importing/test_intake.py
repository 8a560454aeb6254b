"""The detection of the format of an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidArchive, MissingMember
from store.importing.archive import ArchiveInput
from store.importing.intake import READERS, read_archive
from store.model.limits import DEFAULT_LIMITS
from tests.support.archive_members import ChosenHoldings, MemoryMembers

if TYPE_CHECKING:
    from store.importing.staging import Stager

LAYOUT, DIR, DOCKER, V1 = range(4)
MAGIC = b"Directory Transport Version: 1.1\n"


def members(*names: str, version: bytes = MAGIC) -> MemoryMembers:
    return MemoryMembers({name: version if name == "version" else b"" for name in names})


@pytest.mark.parametrize(
    ("names", "reader"),
    [
        (("oci-layout", "index.json"), LAYOUT),
        (("oci-layout", "index.json", "manifest.json", "repositories"), LAYOUT),
        (("version", "manifest.json"), DIR),
        (("manifest.json",), DOCKER),
        (("manifest.json", "repositories"), DOCKER),
        (("manifest.json", "index.json"), DOCKER),
        (("manifest.json", "oci-layout"), DOCKER),
        (("repositories",), V1),
        (("repositories", "index.json"), None),
        (("repositories", "oci-layout"), None),
        ((), None),
    ],
)
def test_the_first_reader_that_recognises_an_archive_reads_it(
    names: tuple[str, ...], reader: int | None
) -> None:
    archive = members(*names)
    found = [number for number, one in enumerate(READERS) if one.recognises(archive)]
    assert (found[0] if found else None) == reader


def test_a_file_named_version_with_other_content_does_not_make_a_dir_folder() -> None:
    archive = members("version", "manifest.json", version=b"1.0")
    assert [one.recognises(archive) for one in READERS] == [False, False, True, False]


@pytest.mark.parametrize(
    ("names", "error", "missing"),
    [
        (("index.json",), InvalidArchive, None),
        (("oci-layout",), MissingMember, "index.json"),
        (("etc/passwd",), InvalidArchive, None),
    ],
)
def test_the_error_names_the_file_that_an_archive_lacks(
    stager: Stager, names: tuple[str, ...], error: type[InvalidArchive], missing: str | None
) -> None:
    source = ArchiveInput(members(*names), stager, DEFAULT_LIMITS, ChosenHoldings())
    with pytest.raises(InvalidArchive) as caught:
        read_archive(source)
    assert type(caught.value) is error
    assert caught.value.member == missing


@pytest.mark.parametrize(
    ("names", "says", "hint"),
    [
        ((), "it is empty", "check that the command that wrote it succeeded"),
        (("photos/1.jpg",), "it has neither manifest.json, nor", "give an archive of"),
        (("demo/Chart.yaml", "demo/values.yaml"), "it holds a Helm chart", "push the chart"),
        (("app/Dockerfile", "app/main.c"), "it holds the context of a build", "build the image"),
        ((f"{'0' * 64}/layer.tar",), "the beginning of an image archive", "it was cut short"),
    ],
)
def test_what_is_not_an_archive_is_named(
    stager: Stager, names: tuple[str, ...], says: str, hint: str
) -> None:
    source = ArchiveInput(members(*names), stager, DEFAULT_LIMITS, ChosenHoldings())
    with pytest.raises(InvalidArchive) as caught:
        read_archive(source)
    assert says in caught.value.message
    assert "member" not in caught.value.message
    assert hint in (caught.value.hint or "")
