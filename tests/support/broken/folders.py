"""Layouts with a link, directory or device in place of a blob, and broken ``dir:`` folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store import errors
from tests.support.archive_entries import DEVICE, DIRECTORY, FIFO, HARDLINK, SYMLINK, Entry
from tests.support.broken.case import Accepted, Case, Refused, of_files, of_layout, path_of, refused
from tests.support.broken.documents import LOADED, app
from tests.support.images import A, B
from tests.support.layouts import Layout, digest, gzip

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOB: Final = path_of(digest(A))
OUTSIDE: Final = "/proc/self/environ"
"""A file that exists on every machine. No import may read it."""


def blobs() -> Iterator[Case]:
    """Yield cases with a link, directory or device in place of a layer."""
    layout, root = app()

    def case(
        name: str,
        why: str,
        there: Entry,
        expected: Refused | Accepted,
        *more: Entry,
        in_folder: bool = True,
        only_folder: bool = False,
    ) -> Case:
        return Case(
            name,
            why,
            expected,
            of_layout(layout, there, *more, without=(there.name,)),
            in_folder=in_folder,
            only_folder=only_folder,
        )

    invalid = errors.InvalidArchive
    inside = Entry(BLOB, kind=SYMLINK, link="../../elsewhere")
    yield case(
        "blob-symlink-inside",
        "a layer that is a link to a file of the layout",
        inside,
        Accepted("tools that deduplicate write such links; the bytes are checked", LOADED),
        Entry("elsewhere", A),
    )
    outside = Entry(BLOB, kind=SYMLINK, link=OUTSIDE)
    yield case(
        "blob-symlink-out",
        "a layer that is a link out of the tar",
        outside,
        refused(errors.MissingBlobs, "layer 0", digest(A)),
        in_folder=False,
    )
    yield case(
        "blob-symlink-out-of-folder",
        "a layer that is a link out of the folder",
        outside,
        refused(errors.UnsafePath, "leads out of the folder", member=BLOB),
        only_folder=True,
    )
    yield case(
        "blob-symlink-loop",
        "a layer that is a link to itself",
        Entry(BLOB, kind=SYMLINK, link=digest(A)[7:]),
        refused(errors.UnsafePath, "a loop of links", member=BLOB),
        in_folder=False,
    )
    yield case(
        "blob-hard-link-out",
        "a layer that is a hard link out of the tar",
        Entry(BLOB, kind=HARDLINK, link=OUTSIDE),
        refused(errors.MissingBlobs, digest(A)),
        in_folder=False,
    )
    yield case(
        "blob-is-directory",
        "a layer that is a directory",
        Entry(BLOB, kind=DIRECTORY),
        refused(invalid, "file", member=BLOB),
    )
    yield case(
        "blob-is-fifo",
        "a layer that is a FIFO, which would block a reader",
        Entry(BLOB, kind=FIFO),
        refused(invalid, "regular file", member=BLOB),
    )
    yield case(
        "blob-is-device",
        "a layer that is a device",
        Entry(BLOB, kind=DEVICE),
        refused(invalid, "regular file", member=BLOB),
        in_folder=False,
    )
    lie = Entry(BLOB, kind=SYMLINK, link=root["digest"].partition(":")[2])
    yield case(
        "blob-symlink-to-another",
        "a layer that is a link to the manifest",
        lie,
        refused(errors.DigestMismatch, digest(A), "layer 0", want=len(A)),
    )
    index = Entry("index.json", kind=SYMLINK, link=OUTSIDE)
    yield case(
        "index-symlink-out-of-folder",
        "an index.json that is a link out of the folder",
        index,
        refused(errors.UnsafePath, "leads out", member="index.json"),
        only_folder=True,
    )
    sound, right = layout.blobs[digest(A)], Entry(BLOB, A[:-1] + b"!")
    yield case(
        "blob-twice",
        "a layer twice, the first time with different bytes",
        right,
        Accepted("the second file replaces the first, as when a tar is unpacked", LOADED),
        Entry(BLOB, sound),
        in_folder=False,
    )
    yield case(
        "blob-twice-wrong",
        "a layer twice, the second time with different bytes",
        Entry(BLOB, sound),
        refused(errors.DigestMismatch, want=digest(A)),
        right,
        in_folder=False,
    )
    nothing = of_files({"readme.txt": b"no images here"})
    yield Case(
        "folder-of-something-else",
        "a folder that contains no images",
        refused(errors.InvalidArchive, "contains no images", "oci-layout", "repositories"),
        nothing,
        only_folder=True,
    )


def dir_folders() -> Iterator[Case]:
    """Yield cases of broken ``dir:`` folders, a format of skopeo."""
    layout = Layout()
    image = layout.root(layout.image(gzip(A), B))
    sound = {
        "version": b"Directory Transport Version: 1.1\n",
        "manifest.json": layout.blobs[image["digest"]],
        **{
            name.partition(":")[2]: data
            for name, data in layout.blobs.items()
            if name != image["digest"]
        },
    }

    def case(
        name: str,
        why: str,
        expected: Refused | Accepted,
        *,
        without: tuple[str, ...] = (),
        **changes: bytes,
    ) -> Case:
        names = {"manifest": "manifest.json", "layer": digest(B)[7:], "version": "version"}
        files = sound | {names[key]: data for key, data in changes.items()}
        # A folder without its ``manifest.json`` is treated like any folder (see
        # folder-of-something-else).
        return Case(
            name,
            why,
            expected,
            of_files({key: data for key, data in files.items() if key not in without}),
            in_folder="manifest.json" not in without,
        )

    manifest = sound["manifest.json"]
    yield case(
        "dir-version-2",
        "an unknown version",
        refused(errors.InvalidArchive, "version '2.0'", member="version"),
        version=b"Directory Transport Version: 2.0\n",
    )
    yield case(
        "dir-without-manifest",
        "no manifest.json",
        refused(errors.MissingMember, member="manifest.json"),
        without=("manifest.json",),
    )
    yield case(
        "dir-layer-missing",
        "a missing layer",
        refused(errors.MissingBlobs, "layer 1", digest(B)),
        without=(digest(B)[7:],),
    )
    yield case(
        "dir-layer-damaged",
        "a layer with one changed byte",
        refused(errors.DigestMismatch, want=digest(B)),
        layer=B[:-1] + b"!",
    )
    yield case(
        "dir-layer-cut",
        "a layer that ends early",
        refused(errors.DigestMismatch, want=len(B), got=len(B) - 1),
        layer=B[:-1],
    )
    yield case(
        "dir-manifest-cut",
        "a manifest.json that ends early",
        refused(errors.InvalidDocument, "manifest.json", "invalid JSON"),
        manifest=manifest[:-1],
    )
    yield case(
        "dir-manifest-schema-1",
        "a manifest.json of Docker's schema 1",
        refused(errors.InvalidDocument, "schema 1 manifests are not supported"),
        manifest=manifest.replace(b'"schemaVersion":2', b'"schemaVersion":1'),
    )
    yield case(
        "dir-without-version",
        "no version file",
        refused(errors.InvalidDocument, "manifest.json"),
        without=("version",),
    )


def cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from blobs()
    yield from dir_folders()
