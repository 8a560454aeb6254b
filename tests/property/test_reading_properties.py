"""Properties that hold for every archive and compressed stream, whether sound, damaged or cut."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InvalidArchive, StoreError
from store.formats.compression.decoders import decoder
from store.formats.tar.checker import TarCheck
from store.formats.tar.headers import is_header
from store.formats.tar.reader import Member, MemberKind, TarReader
from store.formats.tar.tree import Tree
from store.model.contents import Codec
from store.model.limits import Limits
from tests.support.tars import extended, member, sparse_member, with_checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

KINDS: Final = {
    tarfile.REGTYPE: MemberKind.FILE,
    tarfile.DIRTYPE: MemberKind.DIRECTORY,
    tarfile.SYMTYPE: MemberKind.SYMLINK,
    tarfile.LNKTYPE: MemberKind.HARDLINK,
    tarfile.FIFOTYPE: MemberKind.SPECIAL,
    tarfile.CHRTYPE: MemberKind.SPECIAL,
}
FORMATS: Final = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
NAMES: Final = st.text(st.sampled_from("ab./é\udcff"), min_size=1, max_size=8) | st.integers(
    90, 300
).map(lambda size: "long/" * (size // 5) + "x")
ENTRIES: Final = st.lists(
    st.tuples(
        NAMES,
        st.sampled_from(sorted(KINDS)),
        st.binary(max_size=5) | st.integers(500, 1100).map(bytes),
        NAMES,
        st.sampled_from([0, 1, 1 << 40]),
    ),
    max_size=5,
)
SPARSE_BYTES: Final = 1 << 20
"""The number of bytes read of a sparse member; a damaged member may announce any size."""
PIECES: Final = st.lists(st.integers(1, 1500), min_size=1, max_size=8)
ENCODE: Final[dict[Codec, Callable[[bytes], bytes]]] = {
    Codec.IDENTITY: bytes,
    Codec.GZIP: lambda data: gzip.compress(data, mtime=0),
    Codec.BZIP2: bz2.compress,
    Codec.XZ: lzma.compress,
    Codec.ZSTD: zstandard.ZstdCompressor(write_checksum=True).compress,
}


@st.composite
def archives(draw: st.DrawFn) -> tuple[bytes, list[tarfile.TarInfo], list[bytes]]:
    """Draw an archive written by Python's tarfile, together with the archive's entries."""
    file = io.BytesIO()
    written, contents = [], []
    with tarfile.open(fileobj=file, mode="w", format=draw(FORMATS)) as archive:
        for name, kind, data, link, mtime in draw(ENTRIES):
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mtime = mtime
            info.linkname = link if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            try:
                archive.addfile(info, io.BytesIO(data))
            except ValueError:
                # A field of this member is too long for a ustar header.
                continue
            written.append(info)
            contents.append(data[: info.size])
    return file.getvalue(), written, contents


def cut(data: bytes, sizes: Sequence[int]) -> Iterable[bytes]:
    position = turn = 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        yield data[position : position + size]
        position += size
        turn += 1


def checked(data: bytes, sizes: Sequence[int]) -> tuple[type[StoreError], str] | None:
    checker = TarCheck("layer.tar")
    try:
        for piece in cut(data, sizes):
            checker.feed(piece)
        checker.finish()
    except StoreError as exc:
        return type(exc), exc.message
    return None


def listed(data: bytes, *, seekable: bool) -> type[StoreError] | None:
    """Read every member and place it in a tree; return the type of the final error, or None."""
    tree = Tree(Limits(directories=1000))
    try:
        reader = TarReader(io.BytesIO(data), seekable=seekable)
        for found in reader:
            if found.size < SPARSE_BYTES:
                size = sum(map(len, reader.chunks(100)))
                assert size == (found.size if found.kind is MemberKind.FILE else 0)
            add(tree, found)
    except StoreError as exc:
        return type(exc)
    return None


def add(tree: Tree, found: Member) -> None:
    with suppress(StoreError):
        tree.add(found, None)
        tree.exists(found.name)


@given(archives())
def test_archives_of_tarfile_are_read_back(
    made: tuple[bytes, list[tarfile.TarInfo], list[bytes]],
) -> None:
    archive, written, contents = made
    for seekable in (True, False):
        reader = TarReader(io.BytesIO(archive), seekable=seekable)
        read = [(found, reader.read_all(1 << 20)) for found in reader]
        assert [(found.kind, found.link, found.size) for found, _ in read] == [
            (KINDS[info.type], info.linkname, info.size) for info in written
        ]
        # tarfile strips the slash at the end of a directory's name.
        assert [found.name.rstrip("/") for found, _ in read] == [
            info.name.rstrip("/") for info in written
        ]
        assert [data for _, data in read] == contents
        for found, data in read:
            if found.kind is MemberKind.FILE:
                assert archive[found.offset : found.offset + found.size] == data
    assert checked(archive, [len(archive)]) is None


@given(archives(), PIECES, st.data())
def test_damage_raises_the_same_errors_everywhere(
    made: tuple[bytes, list[tarfile.TarInfo], list[bytes]], sizes: list[int], data: st.DataObject
) -> None:
    archive = bytearray(made[0])
    for bit in data.draw(st.lists(st.integers(0, min(len(archive), 4096) * 8 - 1), max_size=3)):
        archive[bit // 8] ^= 1 << bit % 8
    if data.draw(st.booleans()):
        # With a correct checksum the damage gets past the header check.
        archive[:512] = with_checksum(bytes(archive[:512]))
    damaged = bytes(archive[: data.draw(st.integers(0, len(archive)))])
    whole = checked(damaged, [len(damaged) or 1])
    assert checked(damaged, sizes) == whole
    verdict = whole[0] if whole is not None else None
    assert listed(damaged, seekable=True) == verdict
    assert listed(damaged, seekable=False) == verdict


@st.composite
def sparse_members(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw a sparse member in a PAX format, and the bytes of the file that the member unpacks to.

    The map of some members is wrong.
    """
    content = bytearray()
    data = bytearray()
    extents = []
    for hole, filled in draw(
        st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 600)), max_size=5)
    ):
        content += bytes(hole)
        extents.append((len(content), filled))
        piece = bytes(byte % 255 + 1 for byte in range(filled))
        content += piece
        data += piece
    content += bytes(draw(st.integers(0, 1100)))
    size = len(content) - draw(st.sampled_from([0] * 9 + [1]))
    return sparse_member(
        b"s", bytes(data), size, extents, draw(st.sampled_from(["0.0", "0.1", "1.0"]))
    ), bytes(content)


SPARSE: Final = sparse_members()


@given(sparse_members(), st.integers(1, 3000))
def test_sparse_members_expand_to_their_bytes(made: tuple[bytes, bytes], size: int) -> None:
    archive, content = made
    verdict = checked(archive, [100])
    for seekable in (True, False):
        assert listed(archive, seekable=seekable) == (verdict[0] if verdict is not None else None)
        if verdict is None:
            reader = TarReader(io.BytesIO(archive), seekable=seekable)
            for found in reader:
                pieces = list(reader.chunks(size))
                assert {len(piece) for piece in pieces[:-1]} <= {size}
                assert b"".join(pieces) == content[: found.size]
                if seekable:
                    assert b"".join(reader.reread(found, 777)) == content[: found.size]


HEADERS: Final = st.lists(
    st.one_of(
        st.builds(
            member,
            st.binary(max_size=9),
            st.binary(max_size=9),
            st.sampled_from([b"0", b"1", b"2", b"5", b"L", b"K", b"x", b"g", b"\0", b"7"]),
        ),
        st.dictionaries(
            st.sampled_from([b"path", b"size", b"GNU.sparse.map", b"GNU.sparse.size", b"mtime"]),
            st.sampled_from([b"1", b"700", b"", b"a/b"]),
        ).map(extended),
        SPARSE.map(lambda made: made[0]),
        SPARSE.map(lambda made: made[0][: len(made[0]) // 1024 * 512]),
        st.just(bytes(512)),
    ),
    max_size=6,
)


@given(HEADERS, PIECES)
def test_any_order_of_headers_gives_one_answer(parts: list[bytes], sizes: list[int]) -> None:
    archive = b"".join(parts)
    verdict = checked(archive, [len(archive) or 1])
    assert checked(archive, sizes) == verdict
    for seekable in (True, False):
        found = listed(archive, seekable=seekable)
        # A reader refuses a second archive behind the first; a layer may have any bytes there.
        if found is InvalidArchive and verdict is None and is_followed(archive):
            continue
        assert found == (verdict[0] if verdict is not None else None)


def is_followed(archive: bytes) -> bool:
    """Return whether a header follows two zero blocks."""
    blocks = [archive[at : at + 512] for at in range(0, len(archive), 512)]
    pairs = [at for at in range(len(blocks) - 2) if not any(blocks[at] + blocks[at + 1])]
    return bool(pairs) and any(map(is_header, blocks[pairs[0] + 2 :]))


def decoded(
    codec: Codec, data: bytes, sizes: Sequence[int], max_bytes: int
) -> bytes | type[StoreError]:
    decode = decoder(codec, max_bytes=max_bytes)
    out: list[bytes] = []
    try:
        for piece in cut(data, sizes):
            out += decode.feed(piece)
        out += decode.finish()
    except StoreError as exc:
        return type(exc)
    return b"".join(out)


@given(
    st.sampled_from(list(Codec)),
    st.lists(st.binary(max_size=200) | st.integers(0, 5000).map(bytes), min_size=1, max_size=4),
    PIECES,
)
def test_streams_decode_however_they_are_cut(
    codec: Codec, parts: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(ENCODE[codec](part) for part in parts)
    content = b"".join(parts)
    assert decoded(codec, data, sizes, len(content)) == content


@given(
    st.sampled_from([codec for codec in Codec if codec is not Codec.IDENTITY]),
    st.binary(max_size=300),
    PIECES,
    st.data(),
)
def test_damaged_streams_never_decode_to_something_else(
    codec: Codec, content: bytes, sizes: list[int], data: st.DataObject
) -> None:
    broken = bytearray(ENCODE[codec](content))
    bit = data.draw(st.integers(0, len(broken) * 8 - 1))
    broken[bit // 8] ^= 1 << bit % 8
    damaged = bytes(broken[: data.draw(st.integers(0, len(broken)))]) + data.draw(
        st.binary(max_size=4)
    )
    got = decoded(codec, damaged, sizes, 1 << 20)
    assert got == content or (isinstance(got, type) and issubclass(got, StoreError))


NODES: Final = st.lists(
    st.tuples(
        st.text("ab/.", min_size=1, max_size=7),
        st.sampled_from(list(MemberKind)),
        st.text("ab/.", max_size=7),
    ),
    max_size=12,
)


@given(NODES, st.text("ab/.", max_size=7))
def test_any_tree_of_links_ends_in_an_answer_or_our_error(
    nodes: list[tuple[str, MemberKind, str]], path: str
) -> None:
    tree = Tree(Limits(links=20))
    for position, (name, kind, link) in enumerate(nodes):
        with suppress(StoreError):
            tree.add(Member(name, kind, 0, position, link), position)
    try:
        leaf = tree.resolve(path)
    except StoreError:
        return
    assert leaf.member.kind is MemberKind.FILE
    assert leaf.payload == leaf.member.offset
    assert tree.exists(path)
