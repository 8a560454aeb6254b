"""Stores with many kinds of content, and ways to lose a part of their bytes."""

from __future__ import annotations

import io
import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import exporter
from exporter import SaveOptions
from exporter.options import Format
from store import Compression, ImportOptions, Store
from store.model.digests import Digest
from tests.support.images import A, image, layer
from tests.support.layouts import Layout, gzip, plain, zstd

if TYPE_CHECKING:
    from pathlib import Path

SHARED = layer("shared", random.Random(1).randbytes(40_000))
"""The lowest layer of every image of `fill`."""


def own_layer(number: int) -> bytes:
    """Return a layer that only one image has."""
    return layer(f"own-{number}", random.Random(100 + number).randbytes(3_000 + 17 * number))


def archives(folder: Path, images: int) -> list[Path]:
    """Write archives of every kind: docker, layouts with gzip and zstd, indexes, artifacts."""
    folder.mkdir(exist_ok=True)
    docker, plain_tar = folder / "docker.tar", folder / "plain.tar"
    docker.write_bytes(
        _many(*(image(SHARED, own_layer(one), tags=(f"docker/{one}:1",)) for one in range(images)))
    )
    plain_tar.write_bytes(image(SHARED, own_layer(900), tags=("plain:1",)).bytes())
    layout = Layout()
    for number in range(1000, 1000 + images):
        blob = (gzip if number % 2 else zstd)(own_layer(number))
        one = layout.image(gzip(SHARED), blob)
        layout.root(one, f"docker.io/oci/app{number}:1")
    parts = [
        layout.image(gzip(SHARED), gzip(own_layer(2000 + number)), platform=f"linux/{name}")
        for number, name in enumerate(("amd64", "arm64", "s390x"))
    ]
    index = layout.index(*parts, annotations={"made": "today"})
    layout.root(index, "docker.io/oci/index:1")
    layout.root(layout.artifact(b"signature", subject=index))
    layout.root(layout.artifact(random.Random(7).randbytes(5_000)), "docker.io/oci/artifact:1")
    layout.root(layout.image(plain(SHARED), plain(A)), "docker.io/oci/plain:1")
    oci = folder / "layout.tar"
    oci.write_bytes(layout.tar())
    return [docker, plain_tar, oci]


def _many(*parts: object) -> bytes:
    """Return one docker archive with the images of several."""
    import json
    import tarfile

    out, entries, seen = io.BytesIO(), [], set()
    with tarfile.open(fileobj=out, mode="w") as target:
        for part in parts:
            with tarfile.open(fileobj=io.BytesIO(part.bytes())) as source:  # type: ignore[attr-defined] # an archive
                for member in source:
                    file = source.extractfile(member)
                    data = b"" if file is None else file.read()
                    if member.name == "manifest.json":
                        entries += [
                            {
                                **entry,
                                "Config": _unique(entry["Config"], part),
                                "Layers": [_unique(name, part) for name in entry["Layers"]],
                            }
                            for entry in json.loads(data)
                        ]
                        continue
                    name = _unique(member.name, part)
                    if name not in seen and member.isfile():
                        seen.add(name)
                        info = tarfile.TarInfo(name)
                        info.size = len(data)
                        target.addfile(info, io.BytesIO(data))
        listed = json.dumps(entries).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(listed)
        target.addfile(info, io.BytesIO(listed))
    return out.getvalue()


def _unique(name: str, part: object) -> str:
    return f"{id(part):x}-{name.replace('/', '-')}"


def fill(store: Store, sources: list[Path]) -> None:
    """Import the archives of `archives`; ``plain.tar`` without compression."""
    for path in sources:
        options = ImportOptions(compression=Compression(None)) if path.name == "plain.tar" else None
        store.import_archive(path, options)


def saved(store: Store, *names: str) -> dict[str, bytes]:
    """Return the saved archive of each tag; without names, of every tag."""
    found = {}
    options = SaveOptions(format=Format.OCI, referrers=True)
    for name in names or tags(store):
        out = io.BytesIO()
        with exporter.open_save(store, (name,), options=options) as export:
            export.write(out)
        found[name] = out.getvalue()
    return found


def tags(store: Store) -> list[str]:
    """Return every tag of a store."""
    with closing(sqlite3.connect(store.root / "store.db")) as connection:
        return sorted(
            f"{name}:{tag}"
            for name, tag in connection.execute(
                "SELECT name, tag FROM reference JOIN repository ON repository.id = repository_id"
            )
        )


def files(store: Store) -> list[Digest]:
    """Return the digests of all files, in a fixed order."""
    return sorted(map(store.blobs.digest, store.blobs.locations()), key=str)


def documents(store: Store) -> list[Digest]:
    """Return the digests of all documents in the catalogue, in a fixed order."""
    with closing(sqlite3.connect(store.root / "store.db")) as connection:
        return [
            Digest.parse(digest)
            for (digest,) in connection.execute(
                "SELECT digest FROM content JOIN document ON content_id = id ORDER BY digest"
            )
        ]


def lose(store: Store, digest: Digest) -> None:
    """Remove the file of a digest."""
    store.blobs.path(digest).unlink()


def flip(store: Store, digest: Digest, choices: random.Random) -> None:
    """Change one bit of the file of a digest."""
    path = store.blobs.path(digest)
    data = bytearray(path.read_bytes())
    data[choices.randrange(len(data))] ^= 1 << choices.randrange(8)
    path.write_bytes(data)


def spoil(store: Store, digest: Digest) -> None:
    """Change the bytes of a document in the catalogue."""
    with closing(sqlite3.connect(store.root / "store.db")) as connection, connection:
        connection.execute(
            "UPDATE document SET bytes = CAST('rot' AS BLOB) WHERE content_id = (SELECT id FROM"
            " content WHERE digest = ?)",
            (str(digest),),
        )


def lose_a_tenth(store: Store, seed: int) -> int:
    """Lose a tenth of the files, and change a bit in another tenth and in a tenth of the documents.

    Returns:
        The number of contents whose bytes are lost.
    """
    choices = random.Random(seed)
    every = files(store)
    choices.shuffle(every)
    tenth = -(-len(every) // 10)
    for digest in every[:tenth]:
        lose(store, digest)
    for digest in every[tenth : 2 * tenth]:
        flip(store, digest, choices)
    known = documents(store)
    choices.shuffle(known)
    some = known[: -(-len(known) // 10)]
    for digest in some:
        spoil(store, digest)
    return 2 * tenth + len(some)
