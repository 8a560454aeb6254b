"""Broken tars: headers, extension headers, sparse maps, links, directories and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store import ImportOptions, Limits, errors
from tests.support import tars
from tests.support.archive_entries import DEVICE, DIRECTORY, FIFO, HARDLINK, SYMLINK, Entry, packed
from tests.support.broken.case import Accepted, Case, Refused, of_files, refused
from tests.support.images import A, B, config
from tests.support.layouts import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: Final = config(A)
MANIFEST: Final = encode([{"Config": "c", "RepoTags": ["app:1"], "Layers": ["l"]}])
LOADED: Final = ("Loaded image: app:1",)
TABLES: Final = tars.member(b"c", CONFIG) + tars.member(b"manifest.json", MANIFEST)
SOUND: Final = TABLES + tars.member(b"l", A) + tars.END
_FEW: Final = ImportOptions(
    limits=Limits(members=10, directories=10, name_bytes=2000, layer_bytes=1 << 20)
)


def docker(*layer_entries: Entry) -> tuple[Entry, ...]:
    """Return a Docker archive of one image; ``layer_entries`` must include the layer ``l``."""
    return (*layer_entries, *of_files({"c": CONFIG, "manifest.json": MANIFEST}))


def headers() -> Iterator[Case]:
    """Yield cases with a broken header block."""

    def case(
        name: str,
        why: str,
        archive: bytes,
        expected: Refused | Accepted,
        options: ImportOptions | None = None,
    ) -> Case:
        return Case(
            name,
            why,
            expected,
            archive=archive,
            options=options or ImportOptions(),
            arguments=() if options is None else None,
        )

    invalid, at = errors.InvalidArchive, len(TABLES)
    yield case(
        "input-empty", "an empty input", b"", refused(errors.TruncatedInput, "the input is empty")
    )
    yield case(
        "input-no-tar",
        "a text file",
        b"this is not a tar archive\n" * 40,
        refused(invalid, "text that begins with 'this is not a tar archive'"),
    )
    yield case(
        "input-a-zip",
        "a zip file",
        b"PK\x03\x04" + bytes(600),
        refused(invalid, "the input is a zip file"),
    )
    yield case(
        "input-a-page",
        "an HTML page",
        b"\r\n<!doctype HTML>\n<html><body>404 Not Found</body></html>\n",
        refused(invalid, "the input is an HTML page"),
    )
    yield case(
        "input-a-message",
        "the answer of a server in JSON",
        b'{"message":"No such image: app:1"}\n',
        refused(invalid, "the input is a JSON document"),
    )
    yield case(
        "input-a-pointer",
        "a Git LFS pointer",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n",
        refused(invalid, "the input is a Git LFS pointer"),
    )
    yield case(
        "input-of-powershell",
        "an archive that PowerShell's > turned into UTF-16",
        b"\xff\xfe" + SOUND.decode("cp437").encode("utf-16-le"),
        refused(invalid, "the input is UTF-16 text"),
    )
    yield case(
        "input-unknown",
        "a block of unknown bytes",
        bytes(range(256)) * 4,
        refused(invalid, "not a tar archive", offset=0),
    )
    yield case(
        "input-too-short",
        "a few unknown bytes",
        b"\xfa\xfb\xfc",
        refused(invalid, "has only 3 bytes"),
    )
    yield case(
        "first-header-cut",
        "an archive that ends inside its first header",
        SOUND[:300],
        refused(errors.TruncatedInput, "ends inside its first header"),
    )
    yield case(
        "tar-empty",
        "a tar without members",
        tars.END,
        refused(errors.InvalidArchive, "no images: it is empty"),
    )
    broken = (
        TABLES + tars.member(b"l", A)[:148] + b"000000\0 " + tars.member(b"l", A)[156:] + tars.END
    )
    yield case(
        "header-checksum",
        "a header with a wrong checksum",
        broken,
        refused(invalid, "wrong checksum", offset=at),
    )
    yield case(
        "header-size-no-number",
        "a size that is not an octal number",
        TABLES + tars.block(b"l", at_124=b"0000000abcd\0"),
        refused(invalid, "the size is not a number", offset=at),
    )
    yield case(
        "header-size-negative",
        "a negative size in base 256",
        TABLES + tars.block(b"l", at_124=b"\xff" * 12),
        refused(invalid, "the size is negative: -1", offset=at),
    )
    huge = tars.block(b"l", at_124=b"\x80\0\0\0\x7f" + b"\xff" * 7)
    yield case(
        "header-size-huge",
        "a member of eight exabytes",
        TABLES + huge + bytes(2048),
        refused(errors.TruncatedInput, "inside a member", member="l"),
    )
    yield case(
        "header-cut",
        "an archive that ends inside a header",
        TABLES + tars.block(b"l")[:300],
        refused(errors.TruncatedInput, "inside a header", offset=at + 300),
    )
    yield case(
        "member-cut",
        "an archive that ends inside a layer",
        TABLES + tars.member(b"l", A)[:1000],
        refused(errors.TruncatedInput, "inside a member", member="l"),
    )
    yield case(
        "type-unknown",
        "a member of an unknown type",
        TABLES + tars.member(b"l", A, b"Q"),
        Accepted("POSIX says that such a member is a file, and skopeo and tar read it so", LOADED),
    )
    yield case(
        "type-of-a-later-volume",
        "a member whose data begins in an earlier volume",
        TABLES + tars.member(b"l", A, b"M"),
        refused(invalid, "begins in an earlier volume", member="l"),
    )
    yield case(
        "types-of-gnu-tar",
        "a label, and a directory with a list of files",
        tars.member(b"label", b"", b"V") + tars.member(b"d", b"Yx\0\0", b"D") + SOUND,
        Accepted("GNU tar writes them, and skopeo reads past them", LOADED),
    )
    yield case(
        "type-old-sparse",
        "a sparse file in GNU tar's old format",
        TABLES + tars.sparse_member(b"l", A, len(A), [(0, len(A))], "old"),
        Accepted("GNU tar writes such files; the holes are read as zeros", LOADED),
    )
    yield case(
        "type-old-sparse-without-a-map",
        "a sparse file in GNU tar's old format without its fields",
        TABLES + tars.member(b"l", A, b"S"),
        refused(invalid, "another format's magic number"),
    )
    yield case(
        "zero-block-between",
        "a block of zeros, then a header",
        TABLES + bytes(512) + tars.member(b"l", A),
        refused(invalid, "a second zero block", offset=at + 512),
    )
    yield case(
        "end-blocks-missing",
        "an archive without zero blocks at its end",
        SOUND[: -len(tars.END)],
        Accepted("many tools leave them out, and no data is lost", LOADED),
    )
    yield case(
        "junk-behind-the-end",
        "further bytes after the zero blocks at the end",
        SOUND + b"junk" * 200,
        Accepted("tar stops reading at the zero blocks", LOADED),
    )
    yield case(
        "another-archive-behind",
        "another archive after the zero blocks at the end",
        SOUND + bytes(4096) + SOUND,
        refused(invalid, "another archive follows", offset=len(SOUND) + 4096),
    )
    many = b"".join(tars.member(b"f%d" % number) for number in range(12))
    yield case(
        "too-many-members",
        "more members than the limit",
        many + SOUND,
        refused(errors.TooLarge, "more than 10 members", limit=10),
        _FEW,
    )
    yield case(
        "too-long-names",
        "longer names than the limit",
        tars.member(b"x", b"n" * 3000, b"L") + SOUND,
        refused(errors.TooLarge, "2000 bytes", limit=2000),
        _FEW,
    )


def extensions() -> Iterator[Case]:
    """Yield cases with a broken PAX or GNU header, or a broken map of a sparse member."""

    def case(
        name: str,
        why: str,
        before: bytes,
        expected: Refused | Accepted,
        *,
        member: bytes | None = None,
        options: ImportOptions | None = None,
    ) -> Case:
        archive = TABLES + before + (tars.member(b"l", A) if member is None else member) + tars.END
        return Case(
            name,
            why,
            expected,
            archive=archive,
            options=options or ImportOptions(),
            arguments=() if options is None else None,
        )

    invalid, at = errors.InvalidArchive, len(TABLES)
    yield case(
        "pax-size-too-large",
        "a PAX size larger than the archive",
        tars.extended({b"size": b"999999"}),
        refused(errors.TruncatedInput, "inside a member", member="l"),
    )
    yield case(
        "pax-size-negative",
        "a negative PAX size",
        tars.extended({b"size": b"-1"}),
        refused(invalid, "the size is negative: -1", offset=at + 1024),
    )
    yield case(
        "pax-size-no-number",
        "a PAX size that is a word",
        tars.extended({b"size": b"many"}),
        refused(invalid, "'many' is not a number", offset=at + 1024),
    )
    yield case(
        "pax-record-length",
        "a PAX record that is longer than its header",
        tars.member(b"p", b"999 path=x\n", b"x"),
        refused(invalid, "record has the wrong length", offset=at),
    )
    yield case(
        "pax-record-no-key",
        "a PAX record without a key",
        tars.member(b"p", b"7 =abc\n", b"x"),
        refused(invalid, "record has no key", offset=at),
    )
    yield case(
        "pax-nul-in-path",
        "a PAX path with a NUL character",
        tars.extended({b"path": b"l\0x"}),
        refused(invalid, "NUL", offset=at),
    )
    long = tars.block(b"p", 2 << 20, b"x")
    yield case(
        "pax-too-long",
        "a PAX header of 2 MiB",
        long,
        refused(errors.TooLarge, "2097152 bytes", f"byte {at}", limit=1 << 20),
    )
    sparse = tars.sparse_member(b"l", bytes(200), 1000, [(0, 100), (50, 100)], "1.0")
    yield case(
        "sparse-overlap",
        "a sparse file with extents that overlap",
        b"",
        refused(invalid, "sparse extents overlap"),
        member=sparse,
    )
    sparse = tars.sparse_member(b"l", bytes(100), 1000, [(950, 100)], "0.1")
    yield case(
        "sparse-beyond-the-end",
        "a sparse file with an extent after its end",
        b"",
        refused(invalid, "behind the end of the file"),
        member=sparse,
    )
    sparse = tars.sparse_member(b"l", bytes(100), 1000, [(0, 300)], "0.1")
    yield case(
        "sparse-too-little-data",
        "a sparse map of more data than the member has",
        b"",
        refused(invalid, "lists 300 bytes of data, but the member has 100"),
        member=sparse,
    )
    records = {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": b"l",
        b"GNU.sparse.realsize": b"1000",
    }
    sparse = tars.extended(records) + tars.member(b"x", b"9\n1\n".ljust(512, b"0"))
    yield case(
        "sparse-map-no-end",
        "a sparse map that is longer than the data",
        b"",
        refused(invalid, "ends inside the sparse map"),
        member=sparse,
    )
    sparse = tars.sparse_member(b"l", b"", 1 << 60, [], "0.1")
    yield case(
        "sparse-bomb",
        "a sparse layer of one exabyte without any data",
        b"",
        refused(errors.TooLarge, "'l'", limit=64 << 20),
        member=sparse,
        options=_FEW,
    )
    sparse = tars.sparse_member(b"l", A, len(A), [(0, len(A))], "1.0")
    yield case(
        "sparse-sound",
        "a layer stored as a sparse file",
        b"",
        Accepted("GNU tar writes such files; the holes are read as zeros", LOADED),
        member=sparse,
    )


def links() -> Iterator[Case]:
    """Yield cases with a broken link or path, or with a directory or device in place of a file."""

    def case(
        name: str,
        why: str,
        entries: tuple[Entry, ...],
        expected: Refused | Accepted,
        *,
        in_folder: bool = False,
    ) -> Case:
        return Case(name, why, expected, entries, in_folder=in_folder)

    def named(path: str) -> tuple[Entry, ...]:
        return of_files(
            {
                "l": A,
                "c": CONFIG,
                "manifest.json": encode([{"Config": "c", "RepoTags": ["app:1"], "Layers": [path]}]),
            }
        )

    unsafe, invalid = errors.UnsafePath, errors.InvalidArchive
    yield case(
        "path-leaves",
        "a layer with the path ../outside",
        named("../outside"),
        refused(unsafe, "leaves the archive", member="../outside"),
    )
    yield case(
        "path-leaves-in-between",
        "a layer with the path a/../../b",
        named("a/../../b"),
        refused(unsafe, "leaves the archive", member="a/../../b"),
    )
    yield case(
        "path-absolute",
        "a layer with the path /l",
        named("/l"),
        Accepted("Docker reads it as l, inside the archive", LOADED),
    )
    yield case(
        "symlink-out",
        "a layer that is a link to /etc/passwd",
        docker(Entry("l", kind=SYMLINK, link="/etc/passwd")),
        refused(errors.MissingLayers, "layer 0 of app:1"),
    )
    yield case(
        "symlink-up",
        "a layer that is a link to ../../../l2",
        docker(Entry("l", kind=SYMLINK, link="../../../l2"), Entry("l2", A)),
        Accepted("a link cannot leave the archive's root, as in a chroot", LOADED),
    )
    yield case(
        "symlink-loop",
        "two links to each other",
        docker(Entry("l", kind=SYMLINK, link="m"), Entry("m", kind=SYMLINK, link="l")),
        refused(unsafe, "a loop of links", member="l"),
    )
    yield case(
        "symlink-too-long",
        "a link with a target of five thousand characters",
        docker(Entry("l", kind=SYMLINK, link="x" * 5000)),
        refused(invalid, "symbolic link has 5000 bytes", member="l"),
    )
    yield case(
        "hard-link-out",
        "a layer that is a hard link to /etc/passwd",
        docker(Entry("l", kind=HARDLINK, link="/etc/passwd")),
        refused(errors.MissingLayers, "layer 0 of app:1"),
    )
    yield case(
        "hard-link-to-directory",
        "a hard link to a directory",
        docker(Entry("d", kind=DIRECTORY), Entry("l", kind=HARDLINK, link="d")),
        refused(invalid, "leads to a directory", member="l"),
    )
    yield case(
        "layer-is-directory",
        "a directory in place of the layer",
        docker(Entry("l", kind=DIRECTORY)),
        refused(invalid, "found a directory", member="l"),
    )
    yield case(
        "layer-is-device",
        "a device in place of the layer",
        docker(Entry("l", kind=DEVICE)),
        refused(invalid, "regular file", member="l"),
    )
    yield case(
        "layer-is-fifo",
        "a FIFO in place of the layer",
        docker(Entry("l", kind=FIFO)),
        refused(invalid, "regular file", member="l"),
        in_folder=True,
    )
    yield case(
        "table-is-directory",
        "a directory named manifest.json",
        of_files({"l": A}, Entry("manifest.json", kind=DIRECTORY)),
        refused(invalid, "found a directory", member="manifest.json"),
    )
    yield case(
        "below-a-file",
        "a member whose parent is a file",
        docker(Entry("l", A), Entry("l/x", b"")),
        refused(invalid, "a parent of the member is not a directory", member="l/x"),
    )
    yield case(
        "member-twice",
        "a layer twice, the first time with different bytes",
        (Entry("l", B), *docker(Entry("l", A))),
        Accepted("the second file replaces the first, as when a tar is unpacked", LOADED),
    )
    yield case(
        "member-twice-wrong",
        "a layer twice, the second time with different bytes",
        (*docker(Entry("l", A)), Entry("l", B)),
        refused(errors.DigestMismatch, "layer 0", "app:1"),
    )
    yield case(
        "names-with-escapes",
        "a name with escape sequences for a terminal",
        docker(Entry("l", A), Entry("\x1b[2J\u202e", b"")),
        Accepted("no image uses that member", LOADED),
    )


def cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from headers()
    yield from extensions()
    yield from links()


__all__ = ["LOADED", "cases", "docker", "packed"]
