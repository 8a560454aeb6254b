"""Parts of an archive: a part is read and staged only once for each purpose."""

from __future__ import annotations

import bz2
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.errors import InvalidArchive, TooLarge
from store.importing.members.parts import Bar, DocumentCeiling, Part, PartStaging, joined
from store.model.limits import DEFAULT_LIMITS
from store.model.progress import Silent
from tests.support.images import A
from tests.support.layouts import Layout, plain
from tests.support.processes import open_files

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from store.importing.staging import Stager


class Counted:
    """A part of an archive that counts how often its data is read."""

    def __init__(self, data: bytes, path: str = "layer.tar") -> None:
        self.reads = 0
        self._data = data
        self.part = Part("key", path, path, len(data), self._pieces)

    def _pieces(self) -> Generator[bytes, None, None]:
        self.reads += 1
        yield self._data


class Noted:
    """A `Progress` that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def total(self, size_bytes: int | None) -> None:
        raise AssertionError(size_bytes)

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        self.calls.append(("start", key, label, size_bytes))

    def advance(self, key: str, size_bytes: int) -> None:
        self.calls.append(("advance", key, size_bytes))

    def finish(self, key: str) -> None:
        self.calls.append(("finish", key))


def test_a_part_is_read_once_for_each_purpose(stager: Stager) -> None:
    counted, staging = Counted(A), PartStaging(stager, Silent())
    assert staging.layer(counted.part) is staging.layer(counted.part)
    assert staging.blob(counted.part) is staging.blob(counted.part)
    assert counted.reads == 2


def test_a_prefetched_layer_is_not_read_again(stager: Stager) -> None:
    counted, staging = Counted(A), PartStaging(stager, Silent())
    staging.prefetch(counted.part)
    staging.prefetch(counted.part)
    layer = staging.layer(counted.part)
    staging.prefetch(counted.part)
    assert staging.layer(counted.part) is layer
    assert counted.reads == 1


def test_an_error_of_a_prefetched_layer_is_raised_when_it_is_asked_for(stager: Stager) -> None:
    def pieces() -> Generator[bytes, None, None]:
        yield A[:512]
        raise InvalidArchive("damaged", member="layer.tar")

    staging = PartStaging(stager, Silent())
    part = Part("key", "layer.tar", "layer.tar", 1, pieces)
    staging.prefetch(part)
    with pytest.raises(InvalidArchive):
        staging.layer(part)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("0123456789abcdef/layer.tar", "0123456789ab"),
        ("blobs/sha256/0123456789abcdef", "0123456789ab"),
        ("layer.tar", "layer.tar"),
        ("./\x1b.tar", "\\x1b.tar"),
        ("/", "/"),
    ],
)
def test_a_label_is_the_layers_own_name_and_safe_for_a_terminal(path: str, label: str) -> None:
    progress = Noted()
    with Bar(progress, "key", path, 3) as bar:
        bar.advance(3)
    assert progress.calls == [("start", "key", label, 3), ("advance", "key", 3), ("finish", "key")]


def test_documents_are_limited_alone_and_together() -> None:
    limits = replace(DEFAULT_LIMITS, json_bytes=6, documents_bytes=10)
    ceiling = DocumentCeiling(limits)
    ceiling.admit("a", 6)
    with pytest.raises(TooLarge) as alone:
        ceiling.admit("b", 7)
    ceiling.admit("c", 4)
    with pytest.raises(TooLarge) as together:
        ceiling.admit("d", 1)
    assert (alone.value.limit, together.value.limit) == (6, 10)


@pytest.mark.parametrize("pieces", [[], [b""], [b"ab", b"", b"c"]])
def test_pieces_are_joined(pieces: list[bytes]) -> None:
    expected = b"".join(pieces)
    assert joined(iter(pieces), len(expected)) == expected


def test_a_file_whose_layer_does_not_decode_is_closed_at_once(tmp_path: Path) -> None:
    layout = Layout()
    damaged_bzip2 = bz2.compress(random.Random(2).randbytes(9 << 20))
    layout.root(
        layout.image(plain(damaged_bzip2[:1000] + bytes(len(damaged_bzip2) - 1000))),
        "docker.io/library/app:1",
    )
    folder = layout.dir_folder(tmp_path / "folder")
    with Store.open(tmp_path / "store", create=True) as store:
        try:
            store.import_archive(folder)
        except errors.InvalidInput:
            held = open_files()
        assert not [target for target in held if target.startswith(str(folder))]
