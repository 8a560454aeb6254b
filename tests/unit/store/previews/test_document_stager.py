"""A stager that writes only what may be a document."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

import pytest

from store import Limits, errors
from store.model.contents import Codec
from store.model.digests import Digest
from store.previews.document_stager import DocumentStager

if TYPE_CHECKING:
    from pathlib import Path


def stager(folder: Path | None = None, limits: Limits | None = None) -> DocumentStager:
    def new_file() -> Path:
        assert folder is not None, "a file was written"
        return folder / str(len(list(folder.iterdir())))

    return DocumentStager(limits or Limits(), new_file)


def ignore(_size: int) -> None:
    pass


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_layer_is_hashed_and_not_written() -> None:
    staged = stager().layer(iter([b"ab", b"c" * 5000]), "x", ignore)
    assert staged.diff.digest.hex == sha256(b"ab" + b"c" * 5000)
    assert (staged.diff.size_bytes, staged.codec) == (5002, None)


def test_a_compressed_layer_is_decoded_unless_its_name_is_a_digest() -> None:
    data = gzip.compress(b"x" * 5000)
    staged = stager().layer(iter([data[:3], data[3:]]), "x", ignore)
    assert staged.diff.digest.hex == sha256(b"x" * 5000)
    assert staged.codec is Codec.GZIP
    named = stager().layer(iter([data]), "x", ignore, keep_original=True)
    assert named.diff.digest.hex == sha256(data)
    assert stager().blob(iter([data]), "x", ignore).diff.size_bytes == len(data)


def test_a_layer_that_grows_too_much_is_refused() -> None:
    with pytest.raises(errors.TooLarge):
        stager(limits=Limits(layer_bytes=100)).layer(
            iter([gzip.compress(b"x" * 5000)]), "x", ignore
        )


def test_a_measured_layer_is_not_read_to_its_end() -> None:
    def pieces() -> object:
        yield b"x" * 100
        raise AssertionError("read on")

    measuring = stager()
    measuring.is_measuring = True
    assert measuring.layer(pieces(), "x", ignore).codec is None  # type: ignore[arg-type]


def test_what_may_be_a_document_is_kept_up_to_the_ceiling(tmp_path: Path) -> None:
    data = b' \n{"a": 1}' + b" " * 5000
    staged = stager(tmp_path).layer(iter([data]), "x", ignore)
    assert staged.path.read_bytes() == data
    assert staged.diff.digest == Digest.of(data)
    cut = stager(tmp_path, Limits(json_bytes=100)).layer(iter([data]), "x", ignore)
    assert cut.path.stat().st_size == 100
    assert cut.diff.size_bytes == len(data)


def test_other_questions_of_readers_have_answers(tmp_path: Path) -> None:
    one = stager(tmp_path)
    assert one.scratch().parent == tmp_path
    staged = one.layer(iter([b"abc"]), "x", ignore)
    assert one.has_diff(staged, Digest.of(b"other"))
    assert one.prefetch(lambda _passing: staged).result() is staged
