"""Tars that lie: headers, extensions, sparse maps, links, and what is no file."""

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
    """A docker archive of one image, whose layer at ``l`` is what the caller gives."""
    return (*layer_entries, *of_files({"c": CONFIG, "manifest.json": MANIFEST}))


def headers() -> Iterator[Case]:
    """Header blocks."""

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
        "input-empty", "no bytes at all", b"", refused(errors.TruncatedInput, "the input is empty")
    )
    yield case(
        "input-no-tar",
        "a text",
        b"this is not a tar archive\n" * 40,
        refused(invalid, "no tar archive", offset=0),
    )
    yield case(
        "input-a-zip",
        "a zip file",
        b"PK\x03\x04" + bytes(600),
        refused(invalid, "no tar archive", offset=0),
    )
    yield case(
        "tar-empty",
        "a tar of nothing",
        tars.END,
        refused(errors.MissingMember, "no images", "manifest.json", "repositories", "oci-layout"),
    )
    broken = (
        TABLES + tars.member(b"l", A)[:148] + b"000000\0 " + tars.member(b"l", A)[156:] + tars.END
    )
    yield case(
        "header-checksum",
        "a header whose checksum is wrong",
        broken,
        refused(invalid, "bad checksum", offset=at),
    )
    yield case(
        "header-size-no-number",
        "a size that is no octal number",
        TABLES + tars.block(b"l", at_124=b"0000000abcd\0"),
        refused(invalid, "not a number", offset=at),
    )
    yield case(
        "header-size-negative",
        "a size below zero, in base 256",
        TABLES + tars.block(b"l", at_124=b"\xff" * 12),
        refused(invalid, "negative size", offset=at),
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
        "an end inside a header",
        TABLES + tars.block(b"l")[:300],
        refused(errors.TruncatedInput, "inside a header", offset=at + 300),
    )
    yield case(
        "member-cut",
        "an end inside a layer",
        TABLES + tars.member(b"l", A)[:1000],
        refused(errors.TruncatedInput, "inside a member", member="l"),
    )
    yield case(
        "type-unknown",
        "a type of member that nobody knows",
        TABLES + tars.member(b"l", A, b"Q"),
        refused(invalid, "type 81 ('Q')", member="l"),
    )
    yield case(
        "type-old-sparse",
        "a sparse file in GNU tar's old format",
        TABLES + tars.member(b"l", A, b"S"),
        refused(invalid, "type 83 ('S')", member="l"),
    )
    yield case(
        "zero-block-between",
        "a block of zeros, then something else",
        TABLES + bytes(512) + tars.member(b"l", A),
        refused(invalid, "after a zero block", offset=at + 512),
    )
    yield case(
        "end-blocks-missing",
        "no zero blocks at the end",
        SOUND[: -len(tars.END)],
        Accepted("many tools forget them, and nothing is lost", LOADED),
    )
    yield case(
        "junk-behind-the-end",
        "something behind the zero blocks",
        SOUND + b"junk" * 200,
        Accepted("tar stops reading at the end blocks", LOADED),
    )
    many = b"".join(tars.member(b"f%d" % number) for number in range(12))
    yield case(
        "too-many-members",
        "more members than the ceiling allows",
        many + SOUND,
        refused(errors.TooLarge, "more than 10 members", limit=10),
        _FEW,
    )
    yield case(
        "too-long-names",
        "longer names than the ceiling allows",
        tars.member(b"x", b"n" * 3000, b"L") + SOUND,
        refused(errors.TooLarge, "2000 bytes", limit=2000),
        _FEW,
    )


def extensions() -> Iterator[Case]:
    """PAX and GNU headers, and the maps of sparse members."""

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
        "a size in a PAX header that the archive has no bytes for",
        tars.extended({b"size": b"999999"}),
        refused(errors.TruncatedInput, "inside a member", member="l"),
    )
    yield case(
        "pax-size-negative",
        "a PAX size below zero",
        tars.extended({b"size": b"-1"}),
        refused(invalid, "negative size", offset=at + 1024),
    )
    yield case(
        "pax-size-no-number",
        "a PAX size that is a word",
        tars.extended({b"size": b"many"}),
        refused(invalid, "not a number", offset=at + 1024),
    )
    yield case(
        "pax-record-length",
        "a record that says it is longer than its header",
        tars.member(b"p", b"999 path=x\n", b"x"),
        refused(invalid, "record of the wrong length", offset=at),
    )
    yield case(
        "pax-record-no-key",
        "a record without a key",
        tars.member(b"p", b"7 =abc\n", b"x"),
        refused(invalid, "record without a key", offset=at),
    )
    yield case(
        "pax-nul-in-path",
        "a path with a NUL in it",
        tars.extended({b"path": b"l\0x"}),
        refused(invalid, "NUL", offset=at),
    )
    long = tars.block(b"p", 2 << 20, b"x")
    yield case(
        "pax-too-long",
        "an extended header of two MiB",
        long,
        refused(errors.TooLarge, "2097152 bytes", f"byte {at}", limit=1 << 20),
    )
    sparse = tars.sparse_member(b"l", bytes(200), 1000, [(0, 100), (50, 100)], "1.0")
    yield case(
        "sparse-overlap",
        "pieces of a sparse file that overlap",
        b"",
        refused(invalid, "sparse extents that overlap"),
        member=sparse,
    )
    sparse = tars.sparse_member(b"l", bytes(100), 1000, [(950, 100)], "0.1")
    yield case(
        "sparse-beyond-the-end",
        "a piece of a sparse file behind its end",
        b"",
        refused(invalid, "sparse extent beyond the end"),
        member=sparse,
    )
    sparse = tars.sparse_member(b"l", bytes(100), 1000, [(0, 300)], "0.1")
    yield case(
        "sparse-too-little-data",
        "a map that promises more than there is",
        b"",
        refused(invalid, "does not fit the data"),
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
        "a map that goes on where the data has ended",
        b"",
        refused(invalid, "sparse map without an end"),
        member=sparse,
    )
    sparse = tars.sparse_member(b"l", b"", 1 << 60, [], "0.1")
    yield case(
        "sparse-bomb",
        "a layer of an exabyte of zeros, in no bytes",
        b"",
        refused(errors.TooLarge, "'l'", limit=1 << 20),
        member=sparse,
        options=_FEW,
    )
    sparse = tars.sparse_member(b"l", A, len(A), [(0, len(A))], "1.0")
    yield case(
        "sparse-sound",
        "a layer stored as a sparse file",
        b"",
        Accepted("GNU tar writes such; it is read as what it stands for", LOADED),
        member=sparse,
    )


def links() -> Iterator[Case]:
    """Links, paths, and what stands where a file should be."""

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
        "a layer at ../outside",
        named("../outside"),
        refused(unsafe, "leaves the archive", member="../outside"),
    )
    yield case(
        "path-leaves-in-between",
        "a layer at a/../../b",
        named("a/../../b"),
        refused(unsafe, "leaves the archive", member="a/../../b"),
    )
    yield case(
        "path-absolute",
        "a layer at /l",
        named("/l"),
        Accepted("Docker reads it as l, inside of the archive", LOADED),
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
        Accepted("a link stops at the archive's root, as in a chroot", LOADED),
    )
    yield case(
        "symlink-loop",
        "two links to each other",
        docker(Entry("l", kind=SYMLINK, link="m"), Entry("m", kind=SYMLINK, link="l")),
        refused(unsafe, "lead in circles", member="l"),
    )
    yield case(
        "symlink-too-long",
        "a link of five thousand letters",
        docker(Entry("l", kind=SYMLINK, link="x" * 5000)),
        refused(invalid, "symbolic link is too long", member="l"),
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
        refused(invalid, "hard link to a directory", member="l"),
    )
    yield case(
        "layer-is-directory",
        "a directory where the layer should be",
        docker(Entry("l", kind=DIRECTORY)),
        refused(invalid, "is a directory", member="l"),
    )
    yield case(
        "layer-is-device",
        "a device where the layer should be",
        docker(Entry("l", kind=DEVICE)),
        refused(invalid, "regular file", member="l"),
    )
    yield case(
        "layer-is-fifo",
        "a FIFO where the layer should be",
        docker(Entry("l", kind=FIFO)),
        refused(invalid, "regular file", member="l"),
        in_folder=True,
    )
    yield case(
        "table-is-directory",
        "a directory called manifest.json",
        of_files({"l": A}, Entry("manifest.json", kind=DIRECTORY)),
        refused(invalid, "is a directory", member="manifest.json"),
    )
    yield case(
        "below-a-file",
        "a member below another one that is a file",
        docker(Entry("l", A), Entry("l/x", b"")),
        refused(invalid, "below something that is no directory", member="l/x"),
    )
    yield case(
        "member-twice",
        "a layer twice, first with other bytes",
        (Entry("l", B), *docker(Entry("l", A))),
        Accepted("the later one replaces the earlier, as when a tar is unpacked", LOADED),
    )
    yield case(
        "member-twice-wrong",
        "a layer twice, then with other bytes",
        (*docker(Entry("l", A)), Entry("l", B)),
        refused(errors.DigestMismatch, "layer 0", "app:1"),
    )
    yield case(
        "names-with-escapes",
        "names that would steer a terminal",
        docker(Entry("l", A), Entry("\x1b[2J\u202e", b"")),
        Accepted("nothing asks for that member", LOADED),
    )


def cases() -> Iterator[Case]:
    """All of them."""
    yield from headers()
    yield from extensions()
    yield from links()


__all__ = ["LOADED", "cases", "docker", "packed"]
