"""Tar archives: the file reader, the stream reader and the checker agree about every input.

The cuts between pieces make no difference, and the tree of names resolves or refuses each name.
Every input is read twice: unchanged, and with right checksums in its headers, so that damage
reaches the code behind the check.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Final

from store.errors import MissingMember, StoreError, TooLarge, TruncatedInput
from store.formats.tar.checker import TarCheck
from store.formats.tar.reader import Member, MemberKind, TarReader
from store.formats.tar.tree import Tree
from store.model.limits import Limits
from tests.support.tars import END, block, extended, member, padded, sparse_member, with_checksum

MAX_BYTES: Final = 12 * 1024
LIMITS: Final = Limits(members=200, directories=200, name_bytes=20_000, header_bytes=4096, links=20)
READ_BYTES: Final = 1 << 20
"""The largest member in bytes that is read: a damaged header may announce any size."""

SEEDS: Final = (
    member(b"a/b", b"alpha")
    + member(b"c/", flag=b"5")
    + member(b"d", flag=b"2", link=b"a/b")
    + member(b"e", flag=b"1", link=b"a/b")
    + END,
    member(b"././@LongLink", b"long/" * 40, b"L")
    + member(b"x", b"data")
    + member(b"././@LongLink", b"t" * 150, b"K")
    + member(b"y", flag=b"2")
    + END,
    extended({b"path": b"pax/name", b"size": b"5", b"mtime": b"1.5"})
    + member(b"x", b"alpha")
    + extended({b"path": b"\xff"}, b"g")
    + END,
    *(
        sparse_member(b"s", b"data" * 100, 2000, [(0, 100), (700, 300)], version) + END
        for version in ("0.0", "0.1", "1.0")
    ),
    sparse_member(b"s", b"", 1 << 40, [], "0.1"),
    member(b"l", flag=b"2", link=b"m") + member(b"m", flag=b"2", link=b"l") + member(b"l/x") + END,
    member(b"dev", flag=b"3")
    + member(b"fifo", flag=b"6")
    + member(b"old", flag=b"\0")
    + member(b"old/", flag=b"\0")
    + END,
    block(
        b"gnu",
        magic=b"ustar  \0",
        at_345=b"00000000001\x0000000000002\0",
        at_124=b"\x80" + bytes(10) + b"\5",
    )
    + padded(b"bytes"),
    block(b"star", at_345=b"prefix", at_508=b"tar\0", at_476=b"00000000000\x0000000000000\0"),
    bytes(512) + member(b"after a zero block"),
    member(b"../../outside", b"x") + member(b"/abs", b"y") + member(b"./", flag=b"5") + END,
)
TOKENS: Final = (
    b"ustar\x0000",
    b"ustar  \0",
    b"GNU.sparse.map=",
    b"GNU.sparse.major=1\n",
    b"GNU.sparse.minor=0\n",
    b"GNU.sparse.realsize=",
    b"GNU.sparse.size=",
    b"GNU.sparse.name=",
    b"GNU.sparse.numblocks=",
    b"GNU.sparse.offset=",
    b"GNU.sparse.numbytes=",
    b"path=",
    b"linkpath=",
    b" size=",
    b"12 path=abc\n",
    b"\x80\0\0\0\0\0\0\0\0\0\0\1",
    b"\xff" * 12,
    b"00000001000\0",
    b"../",
    b"././@LongLink",
    b"-1",
    b"9223372036854775807",
)


def check(data: bytes) -> None:
    """Read the input unchanged, and with right checksums."""
    _agree(data)
    sound = _with_checksums(data)
    if sound != data:
        _agree(sound)


def _with_checksums(data: bytes) -> bytes:
    """Return ``data`` with a right checksum in each block that has the magic number of a header.

    Member data that looks like a header also gets a checksum.
    """
    blocks = [data[start : start + 512] for start in range(0, len(data), 512)]
    return b"".join(
        with_checksum(block) if len(block) == 512 and block[257:262] == b"ustar" else block
        for block in blocks
    )


def _agree(data: bytes) -> None:
    checked = [_checked(data, sizes) for sizes in ((len(data) or 1,), (1000, 24), (511, 1, 513))]
    assert checked[0] == checked[1] == checked[2]
    sought, passed = _listed(data, seekable=True), _listed(data, seekable=False)
    # If a member ends after the end of the archive, a file shows it at once; a stream yields the
    # member first.
    assert passed[1] is sought[1]
    assert passed[0][: len(sought[0])] == sought[0]
    assert sought[1] is TruncatedInput or len(passed[0]) == len(sought[0])
    if sought[1] is not TooLarge:
        # The checker has the default limits.
        assert (checked[0][0] if checked[0] is not None else None) is sought[1]


def _checked(data: bytes, sizes: tuple[int, ...]) -> tuple[type[StoreError], str] | None:
    checker = TarCheck("layer.tar")
    position = turn = 0
    try:
        while position < len(data):
            size = sizes[turn % len(sizes)]
            checker.feed(data[position : position + size])
            position += size
            turn += 1
        checker.finish()
    except StoreError as exc:
        assert exc.message.isprintable()
        return type(exc), exc.message
    return None


def _listed(
    data: bytes, *, seekable: bool
) -> tuple[list[tuple[Member, bytes | None]], type[StoreError] | None]:
    """Return every member with its bytes, and the type of the final error, or None."""
    tree = Tree(LIMITS)
    found: list[tuple[Member, bytes | None]] = []
    reader = TarReader(io.BytesIO(data), LIMITS, seekable=seekable)
    try:
        for one in reader:
            content = None
            if one.size <= READ_BYTES:
                pieces = list(reader.chunks(1000))
                assert all(len(piece) == 1000 for piece in pieces[:-1])
                content = b"".join(pieces)
                assert len(content) == one.size
                assert one.kind is MemberKind.FILE or not content
            found.append((one, content))
            _place(tree, one)
    except StoreError as exc:
        assert exc.message.isprintable()
        # For the checker of a layer, the bytes behind the end do not matter.
        is_behind_end = exc.message.startswith("another archive follows the end")
        return found, None if is_behind_end else type(exc)
    if seekable:
        for one, content in found:
            assert content is None or b"".join(reader.reread(one, 777)) == content
    return found, None


def _place(tree: Tree, one: Member) -> None:
    with suppress(StoreError):
        tree.add(one, one.offset)
    for path in (one.name, one.link, f"x/{one.link}"):
        try:
            leaf = tree.resolve(path)
        except MissingMember:
            assert not tree.exists(path)
        except StoreError as exc:
            assert exc.message.isprintable()
        else:
            assert tree.exists(path)
            assert leaf.payload == leaf.member.offset
