"""Images that are generated from a seed, with the same bytes on every machine.

Layers consist of text and noise. Text is made of random words from a vocabulary, and compresses
about as well as programs and documents. Noise does not compress.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

_PIECE: Final = 4 * MIB
_WORDS: Final = 4096
_FILE_BYTES: Final = 64 * KIB
_LARGEST_OCTAL: Final = 0o77777777777


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """A layer to generate.

    Attributes:
        seed: The seed of the layer's bytes.
        size_bytes: The total size of the layer's files.
        noise: The share of noise, from 0 to 1.
        one_file: Whether the layer has a single file; otherwise it has files of 64 KiB.
    """

    seed: int
    size_bytes: int
    noise: float = 0.25
    one_file: bool = False


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image to generate, with its name and its layers from the base up."""

    name: str
    layers: tuple[LayerSpec, ...]


def write_archive(path: Path, images: Sequence[ImageSpec]) -> None:
    """Write a docker archive of the images, in the format of `docker save` up to version 24.

    Args:
        path: The archive to write.
        images: The images to generate; a layer that several images share is written once.
    """
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        layers: dict[LayerSpec, tuple[str, str]] = {}
        manifest = []
        for image in images:
            for spec in image.layers:
                if spec not in layers:
                    layers[spec] = _add_layer(tar, spec, path)
            diffs = [layers[spec][0] for spec in image.layers]
            config = json.dumps(
                {
                    "architecture": "amd64",
                    "os": "linux",
                    "created": "2024-01-01T00:00:00Z",
                    "config": {"Cmd": ["/bin/sh"]},
                    "history": [{"created_by": image.name} for _ in diffs],
                    "rootfs": {"type": "layers", "diff_ids": diffs},
                }
            ).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(tar, name, config)
            manifest.append(
                {
                    "Config": name,
                    "RepoTags": [image.name],
                    "Layers": [layers[spec][1] for spec in image.layers],
                }
            )
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add_layer(tar: tarfile.TarFile, spec: LayerSpec, near: Path) -> tuple[str, str]:
    """Append a layer to the archive, and return its diff ID and the name of its member."""
    scratch = near.with_name(near.name + ".layer")
    hashed = hashlib.sha256()
    with scratch.open("wb") as file:
        for piece in layer_tar(spec):
            hashed.update(piece)
            file.write(piece)
    name = f"{hashed.hexdigest()}/layer.tar"
    member = tarfile.TarInfo(name)
    member.size = scratch.stat().st_size
    with scratch.open("rb") as file:
        tar.addfile(member, file)
    scratch.unlink()
    return f"sha256:{hashed.hexdigest()}", name


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def layer_tar(spec: LayerSpec) -> Iterator[bytes]:
    """Yield the bytes of a layer, a tar archive."""
    source = _Content(spec)
    each = spec.size_bytes if spec.one_file else _FILE_BYTES
    for index, start in enumerate(range(0, spec.size_bytes, each)):
        size = min(each, spec.size_bytes - start)
        member = tarfile.TarInfo(f"srv/{spec.seed:08x}/{index:06d}")
        member.size = size
        yield member.tobuf(tarfile.GNU_FORMAT)
        left = size
        while left:
            piece = source.take(min(left, _PIECE))
            left -= len(piece)
            yield piece
        yield bytes(-size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


class _Content:
    """A stream of text and noise: pieces of about 64 KiB each, in random order."""

    def __init__(self, spec: LayerSpec) -> None:
        self._random = random.Random(spec.seed)
        self._noise = spec.noise
        self._words = [
            self._random.randbytes(self._random.randint(2, 12)).hex().encode() + b" "
            for _ in range(_WORDS)
        ]
        self._rest = b""

    def take(self, size: int) -> bytes:
        parts = [self._rest]
        have = len(self._rest)
        while have < size:
            part = (
                self._random.randbytes(_FILE_BYTES)
                if self._random.random() < self._noise
                else self._text()
            )
            parts.append(part)
            have += len(part)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def _text(self) -> bytes:
        return b"".join(self._random.choices(self._words, k=_FILE_BYTES // 15))
