"""Archives of images as nobody's tool would pack them all.

Any order, links before or after their target, compression inside and out.

What is packed is the caller's: configs and layers are bytes, sound or not, and are taken as they
are."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never, final

from tests.support import tars
from tests.support.images import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RECORD: Final = 10240
PORTABLE_NAME_BYTES: Final = 100


class Repeats(StrEnum):
    """How a layer that several positions use stands in the archive."""

    SHARED = "one file, named by all"
    COPIES = "a file for each"
    SYMLINKS = "one file, links to it after it"
    EARLY_SYMLINKS = "one file, links to it before it"
    HARD_LINKS = "one file, hard links to it after it"


class Codec(StrEnum):
    """What Docker 20.10 sniffs, outside and inside."""

    NONE = "none"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"


@final
@dataclass(frozen=True, slots=True)
class Packing:
    """Everything about an archive that is not its content."""

    repeats: Repeats = Repeats.SHARED
    manifest_first: bool = False
    layer_codec: Codec = Codec.NONE
    outer_codec: Codec = Codec.NONE
    pax_times: bool = False
    directories: bool = False
    dotted: bool = False
    """Member names begin with ``./``."""

    end: bytes = field(default=tars.END, repr=False)
    """What follows the last member."""


PLAIN: Final = Packing()


@final
@dataclass(frozen=True, slots=True)
class PackedImage:
    """One entry of a manifest. ``tags`` are written as they are; none gives null."""

    config: bytes
    layers: tuple[bytes, ...]
    tags: tuple[str, ...] = ()
    parent: str = ""
    """The ID of another image, as the manifest says it; empty says nothing."""


@final
@dataclass(frozen=True, slots=True)
class OldImage:
    """One directory of an archive from before Docker 1.10."""

    name: str
    document: bytes
    layer: bytes


def compressed(data: bytes, codec: Codec) -> bytes:
    """``data`` in a codec, the same bytes at each call."""
    match codec:
        case Codec.NONE:
            return data
        case Codec.GZIP:
            return gzip.compress(data, compresslevel=1, mtime=0)
        case Codec.BZIP2:
            return bz2.compress(data, 1)
        case Codec.XZ:
            return lzma.compress(data, preset=0)
    assert_never(codec)


def config_path(position: int) -> str:
    """Where `pack` puts the config of an image."""
    return f"{position}.json"


def layer_paths(images: Sequence[PackedImage], repeats: Repeats) -> list[list[str]]:
    """Where `pack` puts the layers of each image."""
    paths = iter(_place([layer for image in images for layer in image.layers], repeats))
    return [[next(paths).path for _ in image.layers] for image in images]


def manifest_of(images: Sequence[PackedImage], repeats: Repeats) -> bytes:
    """The plainest ``manifest.json`` of `pack`'s archive of these images."""
    entries = []
    for position, (image, layers) in enumerate(
        zip(images, layer_paths(images, repeats), strict=True)
    ):
        entry: dict[str, object] = {
            "Config": config_path(position),
            "RepoTags": list(image.tags) or None,
            "Layers": layers,
        }
        entries.append({**entry, "Parent": image.parent} if image.parent else entry)
    return json.dumps(entries).encode()


def pack(
    images: Sequence[PackedImage], packing: Packing = PLAIN, manifest: bytes | None = None
) -> bytes:
    """An archive with a ``manifest.json``: the plainest one unless another is given."""
    tar = _Tar(packing)
    document = manifest_of(images, packing.repeats) if manifest is None else manifest
    if packing.manifest_first:
        tar.file("manifest.json", document)
    if packing.directories:
        tar.directory("layers/")
    tar.layers(_place([layer for image in images for layer in image.layers], packing.repeats))
    for position, image in enumerate(images):
        tar.file(config_path(position), image.config)
    if not packing.manifest_first:
        tar.file("manifest.json", document)
    return tar.finished()


def pack_old(
    images: Iterable[OldImage], repositories: bytes | None, packing: Packing = PLAIN
) -> bytes:
    """An archive without a ``manifest.json``, as Docker wrote it before 1.10 (docker-archive.md §7). None leaves ``repositories`` out."""
    tar = _Tar(packing)
    if packing.manifest_first and repositories is not None:
        tar.file("repositories", repositories)
    ordered = list(images)
    placed = _place(
        [image.layer for image in ordered],
        packing.repeats,
        names=[f"{image.name}/layer.tar" for image in ordered],
    )
    for image in ordered:
        tar.directory(f"{image.name}/")
        tar.file(f"{image.name}/VERSION", b"1.0")
        tar.file(f"{image.name}/json", image.document)
    tar.layers(placed)
    if not packing.manifest_first and repositories is not None:
        tar.file("repositories", repositories)
    return tar.finished()


@final
@dataclass(frozen=True, slots=True)
class _Placed:
    """Where one use of a layer points, and which member it asks for.

    None when another use has brought it.
    """

    path: str
    data: bytes | None = None
    symlink: str | None = None
    hard_link: str | None = None


def _place(
    layers: Sequence[bytes], repeats: Repeats, names: Sequence[str] | None = None
) -> list[_Placed]:
    own = names or [f"layers/{position}.tar" for position in range(len(layers))]
    if names and repeats is Repeats.SHARED:
        repeats = Repeats.COPIES  # each directory of an old archive has its own layer.tar
    home: dict[str, str] = {}
    bearers = list(zip(layers, own, strict=True))
    for layer, path in reversed(bearers) if repeats is Repeats.EARLY_SYMLINKS else bearers:
        home.setdefault(digest(layer), path)
    placed = []
    for layer, path in bearers:
        first = home[digest(layer)]
        if repeats is Repeats.COPIES or first == path:
            placed.append(_Placed(path, data=layer))
        elif repeats is Repeats.SHARED:
            placed.append(_Placed(first))
        elif repeats is Repeats.HARD_LINKS:
            placed.append(_Placed(path, hard_link=first))
        else:
            placed.append(
                _Placed(
                    path, symlink=first.removeprefix("layers/") if names is None else f"../{first}"
                )
            )
    return placed


@final
class _Tar:
    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._out: list[bytes] = []

    def _add(self, name: str, data: bytes = b"", flag: bytes = b"0", link: bytes = b"") -> None:
        full = (f"./{name}" if self._packing.dotted else name).encode()
        if max(len(full), len(link)) > PORTABLE_NAME_BYTES:
            raise ValueError(f"{name!r} does not fit a plain header")
        if self._packing.pax_times:
            self._out.append(
                tars.extended(
                    {b"mtime": b"1600000000.123456789", b"SCHILY.xattr.user.note": b"\x00\n="}
                )
            )
        self._out.append(tars.member(full, data, flag, link=link))

    def file(self, name: str, data: bytes) -> None:
        self._add(name, data)

    def directory(self, name: str) -> None:
        self._add(name, flag=b"5")

    def layers(self, placed: Iterable[_Placed]) -> None:
        for one in placed:
            if one.data is not None:
                self._add(one.path, compressed(one.data, self._packing.layer_codec))
            elif one.symlink is not None:
                self._add(one.path, flag=b"2", link=one.symlink.encode())
            elif one.hard_link is not None:
                self._add(
                    one.path,
                    flag=b"1",
                    link=(f"./{one.hard_link}" if self._packing.dotted else one.hard_link).encode(),
                )

    def finished(self) -> bytes:
        return compressed(b"".join(self._out) + self._packing.end, self._packing.outer_codec)
