"""A store of many small images, written directly into the database.

Importing a million names would take too long. The store is consistent: digests, manifest edges,
chain IDs and layer files are correct, and `storectl fsck` finds no damage.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import zstandard

from store import Store
from store.formats.image.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_EPOCH: Final = datetime(2024, 1, 1, tzinfo=UTC)
_SEED: Final = 4
_BATCH: Final = 20_000
_LAYER_BYTES: Final = 300
_PARTS: Final = "0" * 16
"""What of the images a sync has taken, as its fingerprint."""

_STEM: Final = 6
"""The number of layers that an image shares with its family; its other layers are random."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a store.

    Attributes:
        images: The number of images.
        layers: The number of layers of each image; an image has one more manifest edge than layers.
        tags_of_image: The number of names of each image.
        images_of_repository: The number of images in each repository.
        diffs: The number of different layers.
        stems: The number of families; the images of a family share their first layers.
    """

    images: int
    layers: int = 9
    tags_of_image: int = 5
    images_of_repository: int = 10
    diffs: int = 20_000
    stems: int = 400

    @property
    def references(self) -> int:
        """The number of names."""
        return self.images * self.tags_of_image

    def tag(self, index: int) -> str:
        """Return the first name of an image."""
        repository, number = divmod(index, self.images_of_repository)
        return f"team-{index // 1000 % 100:02d}/app-{repository:05d}:{number}.0"


MILLION: Final = Scale(200_000)
"""A million references, 200,000 images, two million edges."""

THOUSANDS: Final = Scale(10_000, tags_of_image=1, diffs=2_000)

SMALL: Final = Scale(2_000, diffs=500, stems=40)


def build(root: Path, scale: Scale) -> None:
    """Create a store of the given size at ``root``; every call writes the same bytes and rows."""
    with Store.open(root, create=True):
        pass
    with closing(sqlite3.connect(root / "store.db", isolation_level=None)) as connection:
        for pragma in (
            "foreign_keys=OFF",
            "synchronous=OFF",
            "journal_mode=OFF",
            "cache_size=-262144",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _Filler(connection, root, scale).fill()
        # A store that was filled by imports has this mode.
        connection.execute("PRAGMA journal_mode=WAL")


@dataclass(slots=True)
class _Diff:
    key: int
    digest: str
    size: int


class _Filler:
    def __init__(self, connection: sqlite3.Connection, root: Path, scale: Scale) -> None:
        self._connection = connection
        self._root = root
        self._scale = scale
        self._random = random.Random(_SEED)
        self._next_content = 1
        self._layers: dict[tuple[int, ...], tuple[int, str]] = {}
        self._layer_rows: list[tuple[Any, ...]] = []

    def fill(self) -> None:
        self._connection.execute("BEGIN")
        diffs = self._diffs()
        firsts = range(0, self._scale.images, self._scale.images_of_repository)
        names = (f"docker.io/{self._scale.tag(first).partition(':')[0]}" for first in firsts)
        rows = ((number, name, None, None) for number, name in enumerate(names, start=1))
        self._insert("repository", 4, rows)
        indices = iter(range(self._scale.images))
        while some := list(islice(indices, _BATCH)):
            self._images(some, diffs)
        self._connection.execute("COMMIT")

    def _insert(self, table: str, width: int, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)  # noqa: S608 - only names from this module

    def _key(self) -> int:
        key = self._next_content
        self._next_content += 1
        return key

    # --- layers and their chains ------------------------------------------------------------------

    def _diffs(self) -> list[_Diff]:
        codec = zstandard.ZstdCompressor(level=3, write_checksum=True)
        found: list[_Diff] = []
        content, blobs, encodings = [], [], []
        for index in range(self._scale.diffs):
            data = _small_layer(index)
            stored = codec.compress(data)
            diff, digest = _Diff(self._key(), _digest(data), len(data)), _digest(stored)
            key = self._key()
            found.append(diff)
            content += [
                (diff.key, diff.digest, diff.size, "present"),
                (key, digest, len(stored), "present"),
            ]
            blobs.append((key, _moment(0)))
            encodings.append((diff.key, key, "zstd", 0, 1, 0))
            path = self._root / "blobs" / "sha256" / digest[7:9] / digest[7:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stored)
        self._insert("content", 4, content)
        self._insert("blob", 2, blobs)
        self._insert("encoding", 6, encodings)
        return found

    def _chain(self, diffs: list[_Diff], path: tuple[int, ...]) -> int:
        """Return the row key of the top layer of a chain, and create missing rows."""
        if path in self._layers:
            return self._layers[path][0]
        own = diffs[path[-1]]
        if len(path) == 1:
            parent, chain = None, own.digest
        else:
            parent = self._chain(diffs, path[:-1])
            chain = _digest(f"{self._layers[path[:-1]][1]} {own.digest}".encode())
        key = len(self._layers) + 1
        self._layers[path] = (key, chain)
        self._layer_rows.append((key, chain, parent, own.key, len(path)))
        return key

    # --- images, their documents and names --------------------------------------------------------

    def _images(self, indices: list[int], diffs: list[_Diff]) -> None:
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _WIDTHS}
        served: set[tuple[int, int]] = set()
        for index in indices:
            path = self._path(index)
            top = self._chain(diffs, path)
            chosen = [diffs[one] for one in path]
            config, manifest = self._documents(index, chosen)
            config_key, manifest_key = self._key(), self._key()
            for key, data in ((config_key, config), (manifest_key, manifest)):
                rows["content"].append((key, _digest(data), len(data), "present"))
                rows["document"].append((key, data))
            rows["image"].append(
                (
                    config_key,
                    top,
                    None,
                    "linux",
                    "amd64",
                    "",
                    int((_EPOCH + timedelta(minutes=index)).timestamp()),
                    "verified",
                )
            )
            rows["label"] += [
                (config_key, "team", f"team-{index % 100:02d}"),
                (config_key, "build", str(index)),
            ]
            rows["manifest"].append(
                (manifest_key, OCI_MANIFEST, "manifest", None, OCI_CONFIG, config_key, "verified")
            )
            rows["manifest_edge"].append(
                (manifest_key, "config", 0, config_key, OCI_CONFIG, None, None, None)
            )
            rows["manifest_edge"] += [
                (manifest_key, "layer", at, diff.key, OCI_LAYER, None, None, None)
                for at, diff in enumerate(chosen)
            ]
            repository = index // self._scale.images_of_repository + 1
            served |= {
                (repository, key)
                for key in (manifest_key, config_key, *(diff.key for diff in chosen))
            }
            self._names(rows, index, repository, manifest_key, _digest(manifest))
        self._insert("layer", 5, self._layer_rows)
        self._layer_rows.clear()
        rows["repository_content"] = [(*pair, None, None) for pair in sorted(served)]
        for table, found in rows.items():
            self._insert(table, _WIDTHS[table], found)

    def _path(self, index: int) -> tuple[int, ...]:
        """Return the layers of an image: its family's layers, then different random layers."""
        family = index % self._scale.stems
        path = [
            (family * _STEM + step) % self._scale.diffs
            for step in range(min(_STEM, self._scale.layers))
        ]
        while len(path) < self._scale.layers:
            drawn = self._random.randrange(self._scale.diffs)
            if drawn not in path:
                path.append(drawn)
        return tuple(path)

    def _documents(self, index: int, diffs: list[_Diff]) -> tuple[bytes, bytes]:
        config = _json(
            {
                "architecture": "amd64",
                "config": {
                    "Cmd": ["/bin/sh"],
                    "Labels": {"team": f"team-{index % 100:02d}", "build": str(index)},
                },
                "created": (_EPOCH + timedelta(minutes=index)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "history": [
                    {"created": "2024-01-01T00:00:00Z", "created_by": f"RUN step {step}"}
                    for step in range(len(diffs))
                ],
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [diff.digest for diff in diffs]},
            }
        )
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": _digest(config), "size": len(config)},
                "layers": [
                    {"mediaType": OCI_LAYER, "digest": diff.digest, "size": diff.size}
                    for diff in diffs
                ],
            }
        )
        return config, manifest

    def _names(
        self,
        rows: dict[str, list[tuple[Any, ...]]],
        index: int,
        repository: int,
        manifest: int,
        digest: str,
    ) -> None:
        name, _, tag = self._scale.tag(index).partition(":")
        base = tag.removesuffix(".0")
        for count in range(self._scale.tags_of_image):
            number = index * self._scale.tags_of_image + count + 1
            at = _moment(number)
            rows["reference"].append((number, repository, f"{base}.{count}", manifest, at))
            rows["reference_log"].append(
                (number, at, f"docker.io/{name}", f"{base}.{count}", None, digest, "bench", None)
            )
        rows["sync_tag"].append(
            (
                "bench",
                f"docker.io/{name}",
                f"{base}.0",
                f"registry.example/{name}:{base}.0",
                digest,
                "",
                _PARTS,
                None,
                _moment(index),
                0,
            )
        )
        rows["event"].append(
            (
                index + 1,
                _moment(index),
                "import",
                digest,
                _json({"name": f"{name}:{tag}"}).decode(),
                None,
            )
        )


_WIDTHS: Final = {
    "content": 4,
    "document": 2,
    "image": 8,
    "label": 3,
    "manifest": 7,
    "manifest_edge": 8,
    "repository_content": 4,
    "reference": 5,
    "reference_log": 8,
    "event": 6,
    "sync_tag": 10,
}
"""The number of columns of each table that has rows for every image."""


def _small_layer(index: int) -> bytes:
    """Return a layer with one file."""
    member = tarfile.TarInfo(f"srv/{index:06d}")
    member.size = _LAYER_BYTES
    return (
        member.tobuf(tarfile.GNU_FORMAT)
        + random.Random(index).randbytes(_LAYER_BYTES).ljust(tarfile.BLOCKSIZE, b"\0")
        + bytes(2 * tarfile.BLOCKSIZE)
    )


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _moment(minutes: int) -> str:
    return (_EPOCH + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
