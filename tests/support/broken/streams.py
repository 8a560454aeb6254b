"""Compressed layers and archives that are damaged, incomplete or hostile, or hold no tar."""

from __future__ import annotations

import bz2
import gzip
import lzma
from typing import TYPE_CHECKING, Final

import zstandard

from store import ImportOptions, Limits, errors
from tests.support.broken.case import Accepted, Case, Refused, of_files, of_layout, refused
from tests.support.broken.documents import contradicted
from tests.support.broken.tars import LOADED, SOUND
from tests.support.images import A, config, layer
from tests.support.layouts import Blob, Layout, digest, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN: Final = layer(
    "noise", bytes((number * number * 7 + number // 251) % 256 for number in range(20_000))
)
_BOMB: Final = ImportOptions(limits=Limits(layer_bytes=1 << 20))


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def layers() -> Iterator[Case]:
    """Yield cases of layers whose digest is right and whose bytes are broken."""

    def case(
        name: str,
        why: str,
        data: bytes,
        expected: Refused | Accepted,
        options: ImportOptions | None = None,
        plain: bytes = PLAIN,
    ) -> Case:
        layout = Layout()
        layout.root(layout.image(Blob(plain, data, "+gzip")), "docker.io/library/app:1")
        path = f"blobs/{digest(data).replace(':', '/')}"
        if isinstance(expected, Refused) and issubclass(expected.error, errors.InvalidArchive):
            expected = Refused(expected.error, expected.says, {**expected.facts, "member": path})
        return Case(
            name,
            why,
            expected,
            of_layout(layout),
            in_folder=True,
            options=options or ImportOptions(),
            arguments=() if options is None else None,
        )

    yield case(
        "gzip-layer-cut",
        "a gzip layer that ends early",
        _gzip(PLAIN)[:-20],
        contradicted("gzip data ends early"),
    )
    yield case(
        "gzip-layer-checksum",
        "a gzip layer with a wrong checksum",
        _flipped(_gzip(PLAIN), -6),
        contradicted("gzip"),
    )
    yield case(
        "gzip-layer-junk",
        "further bytes after a gzip layer",
        _gzip(PLAIN) + b"junk" * 9,
        contradicted("gzip"),
    )
    yield case(
        "gzip-layer-of-gzip",
        "a layer that is compressed twice",
        _gzip(_gzip(PLAIN)),
        contradicted(f"decodes to {digest(_gzip(PLAIN))}"),
    )
    yield case(
        "gzip-layer-two-streams",
        "a layer of two gzip streams",
        _gzip(PLAIN[:99]) + _gzip(PLAIN[99:]),
        Accepted("the gzip format allows it; eStargz and pigz write such layers", LOADED),
    )
    yield case(
        "zstd-layer-cut",
        "a zstd layer that ends early",
        _zstd(PLAIN)[:-20],
        contradicted("zstd data ends early"),
    )
    yield case(
        "zstd-layer-checksum",
        "a zstd layer with a wrong checksum",
        _flipped(_zstd(PLAIN), -2),
        contradicted("zstd"),
    )
    yield case(
        "zstd-layer-junk",
        "further bytes after a zstd layer",
        _zstd(PLAIN) + b"junk",
        contradicted("zstd", "unexpected bytes where another frame should begin"),
    )
    window = b"\x28\xb5\x2f\xfd\x00\xa0\x01\0\0"
    yield case(
        "zstd-layer-window",
        "a zstd frame that needs a gigabyte of memory",
        window,
        refused(errors.TooLarge, "128 MiB of memory", limit=128 << 20),
    )
    yield case(
        "zstd-layer-reserved-block",
        "a zstd block of a reserved type",
        b"\x28\xb5\x2f\xfd\x00\x58\x07\0\0",
        contradicted("reserved type"),
    )
    yield case(
        "xz-layer-cut",
        "an xz layer that ends early",
        lzma.compress(PLAIN)[:-20],
        contradicted("xz data ends early"),
    )
    yield case(
        "bzip2-layer-cut",
        "a bzip2 layer that ends early",
        bz2.compress(PLAIN)[:-20],
        contradicted("bzip2 data ends early"),
    )
    yield case(
        "layer-tar-cut",
        "a layer whose tar ends inside a file",
        _gzip(PLAIN[:3000]),
        contradicted("tar archive ends inside a member"),
        plain=PLAIN[:3000],
    )
    text = b"no tar at all\n" * 60
    yield case(
        "layer-no-tar",
        "a layer that is not a tar",
        _gzip(text),
        contradicted("not a tar archive"),
        plain=text,
    )
    yield case(
        "layer-no-bytes",
        "a layer that decodes to nothing",
        _gzip(b""),
        Accepted("Docker writes empty layers in this form", LOADED),
        plain=b"",
    )
    bomb = layer("bomb", bytes(3 << 20))
    yield case(
        "gzip-bomb",
        "a gzip layer of 3 KiB that decodes to 3 MiB, above a limit of 1 MiB",
        _gzip(bomb),
        refused(errors.TooLarge, limit=1 << 20),
        _BOMB,
        bomb,
    )
    yield case(
        "zstd-bomb",
        "a zstd layer that decodes to 3 MiB, above a limit of 1 MiB",
        _zstd(bomb),
        refused(errors.TooLarge, limit=1 << 20),
        _BOMB,
        bomb,
    )


def archives() -> Iterator[Case]:
    """Yield cases of compressed archives that are damaged or hold no tar."""

    def case(name: str, why: str, data: bytes, expected: Refused | Accepted) -> Case:
        return Case(name, why, expected, archive=data)

    cut, corrupt = errors.TruncatedInput, errors.CorruptStream
    noisy = SOUND.replace(bytes(1024), b"", 1) + bytes(PLAIN) * 2
    yield case(
        "outer-gzip-cut",
        "a gzip archive that ends early",
        _gzip(noisy)[:-3000],
        refused(cut, "ends"),
    )
    yield case(
        "outer-gzip-checksum",
        "a gzip archive with a wrong checksum",
        _flipped(_gzip(SOUND), -6),
        refused(corrupt, "gzip"),
    )
    yield case(
        "outer-gzip-twice",
        "an archive that is compressed twice",
        _gzip(_gzip(SOUND)),
        refused(errors.InvalidArchive, "data compressed with gzip, compressed with gzip"),
    )
    yield case(
        "outer-gzip-zeros",
        "a gzip archive that is padded with zeros",
        _gzip(SOUND) + bytes(700),
        Accepted(
            "gzip ignores zeros at the end, as tapes and block devices have them; a note says so",
            LOADED,
            ("ignored 700 zero bytes after the compressed archive",),
        ),
    )
    yield case(
        "outer-gzip-zeros-and-more",
        "a gzip archive, zeros, and other bytes",
        _gzip(SOUND) + bytes(700) + _gzip(SOUND),
        refused(corrupt, "unexpected bytes after the zeros"),
    )
    yield case(
        "outer-gzip-of-a-page",
        "a compressed HTML page",
        _gzip(b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
        refused(errors.InvalidArchive, "an HTML page, compressed with gzip"),
    )
    yield case(
        "outer-gzip-two-archives",
        "two compressed archives in one file",
        _gzip(SOUND) + _gzip(SOUND),
        refused(errors.InvalidArchive, "another archive follows", offset=len(SOUND)),
    )
    yield case(
        "outer-gzip-of-nothing",
        "a gzip file that decodes to nothing",
        _gzip(b""),
        refused(errors.InvalidArchive, "no images: it is empty"),
    )
    yield case(
        "outer-zstd-cut",
        "a zstd archive that ends early",
        _zstd(noisy)[:-3000],
        refused(cut, "ends"),
    )
    yield case(
        "outer-zstd-checksum",
        "a zstd archive with a wrong checksum",
        _flipped(_zstd(SOUND), -2),
        refused(corrupt, "zstd"),
    )
    yield case(
        "outer-xz-damaged",
        "an xz archive with one changed byte",
        _flipped(lzma.compress(SOUND), 60),
        refused(corrupt, "xz"),
    )
    yield case(
        "outer-bzip2-damaged",
        "a bzip2 archive with one changed byte",
        _flipped(bz2.compress(SOUND), 60),
        refused(corrupt, "bzip2"),
    )
    yield case(
        "outer-magic-only",
        "the first six bytes of an xz file",
        b"\xfd7zXZ\0",
        refused(cut, "xz data ends early"),
    )
    files = {
        "l": lzma.compress(A),
        "c": config(A),
        "manifest.json": encode([{"Config": "c", "RepoTags": ["app:1"], "Layers": ["l"]}]),
    }
    yield Case(
        "xz-inside-zstd",
        "xz layers in a Docker archive",
        Accepted("Docker also detects the codec from the bytes", LOADED),
        of_files(files),
    )


def cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from layers()
    yield from archives()
