from __future__ import annotations

import hashlib

import pytest

from store.errors import InvalidDigest
from store.model.digests import ChainID, Descriptor, DiffID, Digest, ImageID

HEX = "ab" * 32


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_digest_reads_back_as_itself(algorithm: str) -> None:
    digest = Digest.of(b"data", algorithm)
    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, b'data').hexdigest()}"
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "''"),
        (HEX, f"'{HEX}'"),
        (f"md5:{HEX}", f"'md5:{HEX}'"),
        (f"sha256:{HEX[:-1]}", f"'sha256:{HEX[:-1]}'"),
        (f"sha256:{HEX.upper()}", f"'sha256:{HEX.upper()}'"),
        (f"sha512:{HEX}", f"'sha512:{HEX}'"),
        ("sha256:\x1b[2J", r"'sha256:\\x1b[2J'"),
    ],
)
def test_other_text_is_refused_and_quoted(text: str, shown: str) -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse(text)
    assert caught.value.message == f"invalid digest {shown}"


def test_long_text_is_quoted_in_part() -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse("x" * 10_000)
    assert len(caught.value.message) < 200


def test_ids_of_the_same_digest_are_different_names() -> None:
    digest = Digest("sha256", HEX)
    assert len({DiffID(digest), ChainID(digest), ImageID(digest), digest}) == 4


def test_the_chain_of_one_layer_is_its_diff() -> None:
    diff = DiffID(Digest("sha512", HEX * 2))
    assert str(ChainID.of([diff])) == str(diff)


def test_a_chain_hashes_the_chain_below_and_the_diff() -> None:
    """The OCI image-spec defines: ChainID(A|B) = Digest(ChainID(A) + " " + DiffID(B))."""
    diffs = [DiffID(Digest.of(data, "sha512")) for data in (b"a", b"b", b"c")]
    second = hashlib.sha256(f"{diffs[0]} {diffs[1]}".encode()).hexdigest()
    third = hashlib.sha256(f"sha256:{second} {diffs[2]}".encode()).hexdigest()
    assert [str(one) for one in ChainID.each(diffs)] == [
        str(diffs[0]),
        f"sha256:{second}",
        f"sha256:{third}",
    ]


def test_no_layers_have_no_chain() -> None:
    with pytest.raises(ValueError, match="without layers"):
        ChainID.of([])


def test_a_descriptor_of_a_negative_size_is_refused() -> None:
    with pytest.raises(InvalidDigest):
        Descriptor("text/plain", Digest("sha256", HEX), -1)
    assert Descriptor("text/plain", Digest("sha256", HEX), 0).size_bytes == 0
