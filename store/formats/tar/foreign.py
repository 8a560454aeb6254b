"""Files and folders that are not image archives: two tables of them, and what to do about each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, final

from store.errors import InvalidArchive, TruncatedInput, printable
from store.formats.tar.headers import is_header, may_begin_header
from store.formats.tar.pax import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEAD_BYTES: Final = 64 * 1024
"""How many bytes `refuse_foreign` looks at. An ISO image has its magic number at 32,769.

A pipe holds as many. If the head ends inside what a pipe holds, all later reads have uneven sizes,
and an import needs 4 MiB more memory.
"""

_TEXT_BYTES: Final = 1024
_SHOWN: Final = 60

_UNPACK: Final = "unpack it, and import the archive in it"
_PLAIN: Final = "decompress it, and import the result"
_DISK: Final = "give an archive of images: this is the disk of a machine, and holds no image"
_PACKAGE: Final = "unpack the package, and import the archive in it if it has one"
_PROGRAM: Final = "check the name of the file: an archive of images is a tar, compressed or not"
_DECRYPT: Final = "decrypt it, and import the result"

_COMPOSE: Final = re.compile(r"(services|version|name):")
_DOCKERFILE: Final = re.compile(r"(?i:FROM|ARG)\s")
_KUBERNETES: Final = re.compile(r"(apiVersion|kind):\s")
_CHECKSUM: Final = re.compile(r"[0-9a-f]{64}( [ *]|$)|SHA256 \(")
_BASE64: Final = re.compile(r"([A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{76})$")


@final
@dataclass(frozen=True, slots=True)
class Foreign:
    """A kind of file that is not an image archive.

    Attributes:
        name: What the file is, with an article.
        begins: The bytes at ``offset`` by which the file is recognised, or a function of the file's
            first bytes that recognises it.
        hint: The next step for the user.
        offset: Where the bytes are in the file.
    """

    name: str
    begins: bytes | Callable[[bytes], bool]
    hint: str
    offset: int = 0

    def is_kind_of(self, head: bytes) -> bool:
        """Whether a file with the first bytes ``head`` is of this kind."""
        if isinstance(self.begins, bytes):
            return head.startswith(self.begins, self.offset)
        return self.begins(head)


def _text(head: bytes) -> str | None:
    """Return the beginning of a text in UTF-8, or None if the bytes are not text."""
    try:
        text = head[:_TEXT_BYTES].decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        # The last character may have been cut.
        if len(head) <= _TEXT_BYTES or exc.start < _TEXT_BYTES - 3:
            return None
        text = head[: exc.start].decode("utf-8-sig")
    is_text = all(char.isprintable() or char in "\t\n\r\f\x1b" for char in text)
    return text.lstrip() if is_text else None


def _begins(*starts: str) -> Callable[[bytes], bool]:
    """Return a function that recognises a text by its first word, in any case."""
    return lambda head: (_text(head) or "").lower().startswith(starts)


def _is_utf_16(head: bytes) -> bool:
    """Whether the bytes are UTF-16 with a byte order mark, or of ASCII characters only."""
    pairs = head[:_TEXT_BYTES]
    half = len(pairs) // 2
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or (
        half > 1
        and any(
            not any(pairs[zeros : 2 * half : 2])
            and all(pairs[1 - zeros : 2 * half : 2])
            and pairs[1 - zeros : 2 * half : 2].isascii()
            for zeros in (0, 1)
        )
    )


def _is_windows_program(head: bytes) -> bool:
    return head.startswith(b"MZ") and _text(head) is None


def _is_zeros(head: bytes) -> bool:
    return len(head) == HEAD_BYTES and not any(head)


def _has_line(form: re.Pattern[str]) -> Callable[[bytes], bool]:
    """Return a function that recognises a text by its first line without a comment."""

    def fits(head: bytes) -> bool:
        lines = (line.rstrip() for line in (_text(head) or "").splitlines())
        first = next((line for line in lines if line and not line.startswith("#")), "")
        return form.match(first) is not None

    return fits


def _is_compose_file(head: bytes) -> bool:
    return _has_line(_COMPOSE)(head) and (
        re.search(r"^services:", _text(head) or "", re.MULTILINE) is not None
    )


_PAGE: Final = (
    "check the address, log in if it needs that, and download the archive again: a server answered"
    " with this page"
)
_ANSWER: Final = (
    "read it: a server may have answered with it instead of the archive. To import a layout or a"
    " dir: folder, give its folder"
)

FOREIGN: Final = (
    Foreign(
        "UTF-16 text",
        _is_utf_16,
        "save the image again, to a file that the program itself writes: PowerShell's > turns bytes"
        " into text",
    ),
    Foreign("an HTML page", _begins("<!doctype html", "<html", "<head", "<body"), _PAGE),
    Foreign("an XML document", _begins("<?xml", "<error", "<!doctype"), _ANSWER),
    Foreign("a JSON document", _begins("{", "["), _ANSWER),
    Foreign(
        "a Git LFS pointer",
        _begins("version https://git-lfs.github.com/", "version https://hawser.github.com/"),
        "run `git lfs pull` to fetch the file that the pointer stands for",
    ),
    Foreign(
        "a git-annex pointer",
        _begins("/annex/objects/"),
        "run `git annex get` to fetch the file that the pointer stands for",
    ),
    Foreign(
        "a Dockerfile",
        _has_line(_DOCKERFILE),
        "build the image with it, save the image, and import that archive",
    ),
    Foreign(
        "a file of Docker Compose",
        _is_compose_file,
        "save the images that it names, and import that archive",
    ),
    Foreign(
        "a manifest of Kubernetes",
        _has_line(_KUBERNETES),
        "save the images that it names, and import that archive",
    ),
    Foreign(
        "a list of checksums",
        _has_line(_CHECKSUM),
        "import the file that the list names",
    ),
    Foreign(
        "Base64 text",
        _has_line(_BASE64),
        "decode it, and import the result",
    ),
    Foreign("a message encrypted with PGP", _begins("-----begin pgp message"), _DECRYPT),
    Foreign("a file encrypted with age", b"age-encryption.org/", _DECRYPT),
    Foreign("a file encrypted with OpenSSL", b"Salted__", _DECRYPT),
    Foreign("a zip file", b"PK\x03\x04", _UNPACK),
    Foreign("an empty zip file", b"PK\x05\x06", _UNPACK),
    Foreign("a part of a zip file", b"PK\x07\x08", _UNPACK),
    Foreign("a 7z archive", b"7z\xbc\xaf\x27\x1c", _UNPACK),
    Foreign("a RAR archive", b"Rar!\x1a\x07", _UNPACK),
    Foreign("a cabinet file", b"MSCF\0\0\0\0", _UNPACK),
    Foreign("a cpio archive", b"07070", _UNPACK),
    Foreign("a cpio archive", b"\xc7\x71", _UNPACK),
    Foreign("a Debian package", b"!<arch>\ndebian-binary", _PACKAGE),
    Foreign("an ar archive", b"!<arch>\n", _UNPACK),
    Foreign("an RPM package", b"\xed\xab\xee\xdb", _PACKAGE),
    Foreign("a xar archive", b"xar!", _UNPACK),
    Foreign("data compressed with gzip", b"\x1f\x8b", _PLAIN),
    Foreign("data compressed with bzip2", b"BZh", _PLAIN),
    Foreign("data compressed with xz", b"\xfd7zXZ\0", _PLAIN),
    Foreign("data compressed with zstd", b"\x28\xb5\x2f\xfd", _PLAIN),
    Foreign("data compressed with lz4", b"\x04\x22\x4d\x18", _PLAIN),
    Foreign("data compressed with lz4 in its legacy format", b"\x02\x21\x4c\x18", _PLAIN),
    Foreign("data compressed with lzip", b"LZIP", _PLAIN),
    Foreign("data compressed with lzma", b"\x5d\0\0", _PLAIN),
    Foreign("data compressed with lzop", b"\x89LZO\0\r\n\x1a\n", _PLAIN),
    Foreign("data compressed with compress", b"\x1f\x9d", _PLAIN),
    Foreign("data compressed with snappy", b"\xff\x06\0\0sNaPpY", _PLAIN),
    Foreign(
        "a Singularity or Apptainer image",
        b"SIF_MAGIC",
        "get the image from its registry: a SIF file holds no layers",
        32,
    ),
    Foreign("a squashfs file system", b"hsqs", _DISK),
    Foreign("a squashfs file system", b"sqsh", _DISK),
    Foreign("an EROFS file system", b"\xe2\xe1\xf5\xe0", _DISK, 1024),
    Foreign("an ext file system", b"\x53\xef", _DISK, 1080),
    Foreign("an ISO 9660 image", b"CD001", _DISK, 32769),
    Foreign("a disk with a partition table", b"EFI PART", _DISK, 512),
    Foreign("a disk with a partition table", b"\x55\xaa", _DISK, 510),
    Foreign("a qcow2 disk", b"QFI\xfb", _DISK),
    Foreign("a VMDK disk", b"KDMV", _DISK),
    Foreign("a VHD disk", b"conectix", _DISK),
    Foreign("a VHDX disk", b"vhdxfile", _DISK),
    Foreign("a VirtualBox disk", b"\x7f\x10\xda\xbe", _DISK, 64),
    Foreign("a program", b"\x7fELF", _PROGRAM),
    Foreign("a program", _is_windows_program, _PROGRAM),
    Foreign("a program", b"\xcf\xfa\xed\xfe", _PROGRAM),
    Foreign("a script", b"#!", _PROGRAM),
    Foreign("a SQLite database", b"SQLite format 3\0", _PROGRAM),
    Foreign("a PDF document", b"%PDF-", _PROGRAM),
    Foreign("a picture", b"\x89PNG\r\n\x1a\n", _PROGRAM),
    Foreign("a picture", b"\xff\xd8\xff", _PROGRAM),
    Foreign(
        "a file of zeros",
        _is_zeros,
        "copy the archive again: the copy failed, or the disk lost the data",
    ),
)
"""The kinds of files that are recognised; the first one that fits is used."""


def refuse_foreign(head: bytes, compression: str = "") -> None:
    """Refuse a file that is not a tar, with its kind if that is known.

    A file with a valid tar header passes, whatever else it looks like. So does a file of an unknown
    kind with at least one block: the reader of the tar refuses it.

    Args:
        head: The first `HEAD_BYTES` bytes after decompression, or all bytes of a shorter file.
        compression: How the file is compressed; empty if it is not.

    Raises:
        InvalidArchive: The file is not a tar.
        TruncatedInput: The file is the beginning of a tar, and ends inside its first header.
    """
    block = head[:BLOCK]
    if not head or (len(block) == BLOCK and is_header(block)):
        return
    how = f", compressed with {compression}" if compression else ""
    for kind in FOREIGN:
        if kind.is_kind_of(head):
            _refuse(f"{kind.name}{how}", kind.hint)
    text = _text(head)
    if text:
        first = printable(text.splitlines()[0].strip())
        shown = first if len(first) <= _SHOWN else f"{first[:_SHOWN]}…"
        _refuse(
            f"text{how} that begins with '{shown}'",
            "read it: the command that wrote it may have failed, and said why",
        )
    if len(block) == BLOCK or not any(block):
        # Either the reader of the tar refuses it, or it is an empty tar without its end.
        return
    if may_begin_header(block):
        raise TruncatedInput("the archive ends inside its first header", offset=len(block))
    raise InvalidArchive(
        f"not an image archive: the input has only {len(block)} bytes{how}, less than the header of"
        " a tar",
        hint="check that the command that wrote it succeeded, and that this is the right file",
    )


def _refuse(what: str, hint: str) -> NoReturn:
    raise InvalidArchive(f"not an image archive: the input is {what}", hint=hint)


_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2", ".tar.lz4")
_SHOWN_NAMES: Final = 5


@final
@dataclass(frozen=True, slots=True)
class ForeignTree:
    """A kind of folder that holds no image archive.

    Attributes:
        name: What the files are.
        fits: Recognises the names at the root; a folder's name ends with a slash.
        hint: The next step for the user.
    """

    name: str
    fits: Callable[[frozenset[str]], bool]
    hint: str


def _all_of(*names: str) -> Callable[[frozenset[str]], bool]:
    return lambda found: found.issuperset(names)


def _is_only(name: str) -> Callable[[frozenset[str]], bool]:
    """Recognise a folder with one name; hidden names and ``lost+found`` do not count."""
    return lambda found: (
        {one for one in found if not one.startswith(".") and one != "lost+found/"} == {name}
    )


def _any_ends(*ends: str) -> Callable[[frozenset[str]], bool]:
    return lambda found: any(name.lower().endswith(ends) for name in found)


def _is_root_file_system(found: frozenset[str]) -> bool:
    plain = {name.rstrip("/") for name in found}
    return ".dockerenv" in plain or (
        "etc" in plain
        and len(plain & {"bin", "dev", "lib", "proc", "root", "sbin", "usr", "var"}) > 1
    )


_BLOB_NAME: Final = re.compile(r"[0-9a-f]{64}(/|\.json)")


def _is_beginning(found: frozenset[str]) -> bool:
    """Whether the names are those of an archive that lacks its table of contents, the last file."""
    return "blobs/" in found or any(_BLOB_NAME.fullmatch(name) for name in found)


_COPY: Final = "save the images with that program, and import the archive"

TREES: Final = (
    ForeignTree(
        "a root file system, as `docker export` writes it",
        _is_root_file_system,
        "save the image instead of the container: `docker save` or `podman save`",
    ),
    ForeignTree(
        "a virtual machine (OVA)",
        _any_ends(".ovf"),
        "give an archive of images: a virtual machine holds no image",
    ),
    ForeignTree("the data of Docker", _all_of("image/", "containers/"), _COPY),
    ForeignTree("the storage of podman", _any_ends("overlay-images/", "vfs-images/"), _COPY),
    ForeignTree("the data of containerd", _all_of("io.containerd.content.v1.content/"), _COPY),
    ForeignTree(
        "a store of this program",
        _all_of("store.db"),
        "save the images from that store, and import the archive",
    ),
    ForeignTree(
        "the storage of a registry",
        lambda found: _is_only("docker/")(found) or {"blobs/", "repositories/"} <= found,
        "write registry-tree: before the name of the folder to import the images of the registry",
    ),
    ForeignTree(
        "a Helm chart",
        _all_of("Chart.yaml"),
        "push the chart to a registry, or copy it as a layout, for example with `oras`",
    ),
    ForeignTree(
        "the context of a build",
        lambda found: not found.isdisjoint({"Dockerfile", "Containerfile"}),
        "build the image, and save it",
    ),
    ForeignTree(
        "the beginning of an image archive, without the list of its images",
        _is_beginning,
        "copy the archive again, or save it again: it was cut short",
    ),
    ForeignTree(
        "a single layer",
        _any_ends("layer.tar"),
        "save the whole image: a layer alone is not an image",
    ),
)
"""The kinds of folders that are recognised; the first one that fits is used."""


def described(names: Sequence[str]) -> tuple[str, str] | None:
    """Return what a folder or tar holds, and the next step; None if that is not known.

    Args:
        names: The names at the root; a folder's name ends with a slash.
    """
    found = frozenset(names)
    for kind in TREES:
        if kind.fits(found):
            return kind.name, kind.hint
    archives = [printable(name) for name in names if name.lower().endswith(_ARCHIVES)]
    if archives:
        shown = ", ".join(archives[:_SHOWN_NAMES]) + (", …" if len(archives) > _SHOWN_NAMES else "")
        return f"archives: {shown}", "import these files"
    return None
