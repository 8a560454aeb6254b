"""Docker archives of images, packed in every way that Docker reads.

Archives vary in the order of their members, in their links and in their compression. The caller
gives configs and layers as bytes, valid or not, and they are packed unchanged.
"""

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
    """How an archive stores a layer that is used more than once."""

    SHARED = "one file for all positions"
    COPIES = "a file for each position"
    SYMLINKS = "one file, then symbolic links to it"
    EARLY_SYMLINKS = "symbolic links to one file, then the file"
    HARD_LINKS = "one file, then hard links to it"


class Codec(StrEnum):
    """A compression that Docker 20.10 detects, for an archive or for its layers."""

    NONE = "none"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"


@final
@dataclass(frozen=True, slots=True)
class Packing:
    """How an archive is packed, whatever images are in the archive."""

    repeats: Repeats = Repeats.SHARED
    manifest_first: bool = False
    layer_codec: Codec = Codec.NONE
    outer_codec: Codec = Codec.NONE
    pax_times: bool = False
    directories: bool = False
    dotted: bool = False
    """Whether member names begin with ``./``."""

    end: bytes = field(default=tars.END, repr=False)
    """The bytes after the last member."""


PLAIN: Final = Packing()


@final
@dataclass(frozen=True, slots=True)
class PackedImage:
    """An image in an archive's manifest; ``tags`` are written unchanged, or as null if empty."""

    config: bytes
    layers: tuple[bytes, ...]
    tags: tuple[str, ...] = ()
    parent: str = ""
    """The parent image's ID for ``Parent`` in the manifest; if empty, ``Parent`` is left out."""


@final
@dataclass(frozen=True, slots=True)
class OldImage:
    """An image in an archive from before Docker 1.10, which has a directory for each image."""

    name: str
    document: bytes
    layer: bytes


def compressed(data: bytes, codec: Codec) -> bytes:
    """Return ``data`` compressed with a codec; each call returns the same bytes."""
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
    """Return the path that `pack` gives to the config of the image at this position."""
    return f"{position}.json"


def layer_paths(images: Sequence[PackedImage], repeats: Repeats) -> list[list[str]]:
    """Return the paths that `pack` gives to the layers of each image."""
    paths = iter(_place([layer for image in images for layer in image.layers], repeats))
    return [[next(paths).path for _ in image.layers] for image in images]


def manifest_of(images: Sequence[PackedImage], repeats: Repeats) -> bytes:
    """Return the plainest ``manifest.json`` for an archive that `pack` makes of these images."""
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
    """Return an archive with this ``manifest.json``, by default the one from `manifest_of`."""
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
    """Return an archive without a ``manifest.json``, as Docker before 1.10 wrote it.

    If ``repositories`` is None, the archive has no file ``repositories`` (docker-archive.md §7).
    """
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
    """The path of one use of a layer, and the member to write for it, if any."""

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
    uses = list(zip(layers, own, strict=True))
    for layer, path in reversed(uses) if repeats is Repeats.EARLY_SYMLINKS else uses:
        home.setdefault(digest(layer), path)
    placed = []
    for layer, path in uses:
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
        for use in placed:
            if use.data is not None:
                self._add(use.path, compressed(use.data, self._packing.layer_codec))
            elif use.symlink is not None:
                self._add(use.path, flag=b"2", link=use.symlink.encode())
            elif use.hard_link is not None:
                self._add(
                    use.path,
                    flag=b"1",
                    link=(f"./{use.hard_link}" if self._packing.dotted else use.hard_link).encode(),
                )

    def finished(self) -> bytes:
        return compressed(b"".join(self._out) + self._packing.end, self._packing.outer_codec)
