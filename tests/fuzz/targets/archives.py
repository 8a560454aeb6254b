"""Imports of mutated archives (`tests.support.mutation`) from a file, a pipe and a folder.

A refused archive changes no row and no file of the store. An accepted archive passes fsck. A second
import of it changes nothing, and a save of it succeeds or raises a StoreError. A file and a pipe of
the same bytes have the same result.
"""

from __future__ import annotations

import atexit
import io
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import exporter
from exporter import Format, SaveOptions
from store import ImportOptions, Limits, Store
from store.errors import InvalidInput, StoreError
from store.maintenance.reports import Severity
from tests.support.archive_entries import DIRECTORY, Entries, Entry, entries_of, packed, unpacked
from tests.support.docker_vectors import GOLDEN, GOLDEN_NAMES, V5_JSON, V6_JSON
from tests.support.fuzz_choices import Choices
from tests.support.images import A, Archive, B, E
from tests.support.layouts import Layout, encode, gzip, plain, zstd
from tests.support.mutation import compressed, mutated
from tests.support.snapshots import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.importing.report import ImportReport

MAX_BYTES: Final = 64
WAYS, BOTH, PIPE, FILE, FOLDER = 3, 0, 1, 2, 3
DAMAGED, AGAIN, SAVED, COLLECTED = 4, 8, 16, 128
FORMAT_SHIFT: Final = 5
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIMITS: Final = Limits(
    layer_bytes=4 << 20, members=300, json_bytes=1 << 20, json_depth=200, links=20
)
OPTIONS: Final = ImportOptions(limits=LIMITS, workers=1)


def _example_layout() -> Layout:
    layout = Layout()
    amd64 = layout.image(
        gzip(A), zstd(B), plain(E), platform="linux/amd64", annotations={"made": "here"}
    )
    arm64 = layout.image(
        gzip(A), platform="linux/arm/v7", config={"config": {"Labels": {"a": "b"}}}
    )
    top = layout.index(amd64, layout.attestation(amd64), arm64, layout.absent("linux/s390x"))
    layout.root(top, "docker.io/team/app:1", "docker.io/team/app:latest")
    signature = layout.root(layout.artifact(b"signed", subject=top))
    layout.root(
        layout.artifact(b"about the signature", subject=signature),
        **{"org.opencontainers.image.ref.name": "bare"},
    )
    layout.root(layout.image(gzip(A), algorithm="sha512"), "example.org/other:512")
    return layout


def _hybrid() -> Layout:
    layout = Layout()
    image = layout.root(
        layout.image(plain(A), plain(B), config={"history": [{"created_by": "one"}]}),
        "docker.io/library/h:1",
    )
    manifest = layout.blobs[image["digest"]]
    import json

    read = json.loads(manifest)
    paths = [
        f"blobs/{link['digest'].replace(':', '/')}" for link in (read["config"], *read["layers"])
    ]
    layout.files["manifest.json"] = encode(
        [{"Config": paths[0], "RepoTags": ["h:1", "h:2"], "Layers": paths[1:]}]
    )
    return layout


def _old() -> Entries:
    archive = Archive()
    for name, document, layer in (("b" * 64, V5_JSON, A), ("a" * 64, V6_JSON, B)):
        archive.directory(name + "/").file(f"{name}/VERSION", b"1.0").file(
            f"{name}/json", document
        ).file(f"{name}/layer.tar", layer)
    return entries_of(
        archive.file("repositories", encode({"old": {"base": "b" * 64, "top": "a" * 64}})).bytes()
    )


def _dir_folder() -> Entries:
    layout = Layout()
    layout.root(layout.index(layout.image(gzip(A)), layout.image(zstd(B), platform="linux/arm64")))
    with tempfile.TemporaryDirectory() as folder:
        path = layout.dir_folder(Path(folder) / "dir")
        return [Entry(file.name, file.read_bytes()) for file in sorted(path.iterdir())]


BASES: Final[tuple[Entries, ...]] = (
    entries_of(_example_layout().tar()),
    entries_of(_hybrid().tar()),
    _old(),
    _dir_folder(),
    [Entry("blobs", kind=DIRECTORY), *entries_of(_hybrid().tar())],
    *(entries_of((GOLDEN / f"{name}.tar").read_bytes()) for name in GOLDEN_NAMES),
)
SEEDS: Final = (
    *(bytes([way, base]) for base in range(len(BASES)) for way in (BOTH, FOLDER | AGAIN)),
    *(
        bytes([SAVED | way << FORMAT_SHIFT | PIPE, base])
        for base in range(3)
        for way in range(len(Format))
    ),
    *(
        bytes([way, way % 5, change, 7 * way, 1, 2, 3, 4, 5, 6, 7, 8])
        for change in range(13)
        for way in (BOTH, FILE, PIPE | AGAIN)
    ),
    bytes([COLLECTED, 0, 0, 30, 1, 0, 2, 1, 5, 5, 7, 0, 12, 3, 3]),
    bytes([DAMAGED, 5, *range(40)]),
)
TOKENS: Final = ()
SLOW_S: Final = 20.0
"""CPU seconds for one input: imports, saves and a check take 0.5 s without instrumentation."""


def check(data: bytes) -> None:
    """Import one archive, from one source or two; the bits of the first byte choose how."""
    choices = Choices(data)
    way = choices.byte()
    entries = mutated(choices.pick(BASES), choices)
    if way & WAYS == FOLDER:
        with _folder() as folder:
            _import_report(unpacked(entries, folder / "layout"), way)
        return
    archive = compressed(packed(entries), choices)
    if way & DAMAGED:
        at = choices.below(min(len(archive), 1 << 16))
        archive = archive[:at] + choices.take(3) + archive[at + choices.below(700) :]
    piped = filed = None
    if way & WAYS != FILE:
        piped = _import_report(io.BytesIO(archive), way)
    if way & WAYS != PIPE:
        with _folder() as folder:
            path = folder / "archive"
            path.write_bytes(archive)
            filed = _import_report(path, way)
    if way & WAYS == BOTH:
        assert (piped is None) == (filed is None)
        if piped is not None and filed is not None:
            assert (piped.lines, piped.images, piped.notes) == (
                filed.lines,
                filed.images,
                filed.notes,
            )


class EmptiedStore:
    """A store that is emptied after each import.

    Its rows are deleted and the database stays open, so that prepared statements are used again.
    """

    def __init__(self) -> None:
        # Use a folder in memory if the system has one, because syncing costs nothing there.
        shared = Path("/dev/shm")  # noqa: S108 - only the parent of a new folder
        self.folder = Path(
            tempfile.mkdtemp(prefix="storectl-fuzz-", dir=shared if shared.is_dir() else None)
        )
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.store = Store.open(self.folder / "store", create=True, clock=lambda: NOW)
        self.before = snapshot(self.store.root)

    def empty(self) -> None:
        """Delete all rows and files that the last input added."""
        with closing(sqlite3.connect(self.store.root / "store.db")) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            for name in [
                key.partition(" ")[2]
                for key, rows in self.before.items()
                if key.startswith("table ") and not rows
            ]:
                connection.execute(f'DELETE FROM "{name}"')  # noqa: S608 - names of our own schema
            connection.commit()
        for location in self.store.blobs.locations():
            self.store.blobs.remove(location)
        assert snapshot(self.store.root) == self.before


STORE: Final = EmptiedStore()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=STORE.folder) as folder:
        yield Path(folder)


def _import_report(source: Path | io.BytesIO, way: int) -> ImportReport | None:
    """Return the report of the import, or None if the archive is refused."""
    store = STORE.store
    try:
        report = store.import_archive(source, OPTIONS)
    except InvalidInput as exc:
        assert exc.message
        assert snapshot(store.root) == STORE.before
        assert _kept_open() == []
        return None
    try:
        _stored(store, source, way)
    finally:
        STORE.empty()
    return report


def _kept_open() -> list[str]:
    """Return the deleted files that this process still has open, if /proc lists them."""
    folder = Path("/proc/self/fd")
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            found.append(str(entry.readlink()))
    return [
        target
        for target in found
        if target.startswith(str(STORE.folder)) and target.endswith(" (deleted)")
    ]


def _check(store: Store) -> None:
    """Check that no finding is an error; layers that contradict a config are a warning."""
    assert [one for one in store.fsck() if one.severity is Severity.ERROR] == []


def _stored(store: Store, source: Path | io.BytesIO, way: int) -> None:
    _check(store)
    if way & AGAIN:
        if isinstance(source, io.BytesIO):
            source.seek(0)
        assert not store.import_archive(source, OPTIONS).changed
    if way & SAVED:
        _saved(store, list(Format)[(way >> FORMAT_SHIFT) % len(Format)])
    if way & COLLECTED:
        store.collect(dangling=True)
        _check(store)


def _saved(store: Store, format_: Format) -> None:
    images = store.images()
    names = [str(tag.reference) for image in images for tag in image.references] or [
        str(image.image_id) for image in images
    ]
    for name in names[:2]:
        try:
            with exporter.open_save(
                store, [name], options=SaveOptions(format_, sparse=format_ is not Format.LEGACY)
            ) as export:
                out = io.BytesIO()
                export.write(out)
                assert len(out.getvalue()) == export.size_bytes
        except StoreError as exc:
            assert exc.message
