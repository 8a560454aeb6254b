"""Saving into an OCI layout that is a folder.

Added to what is there, so that writers beside each other lose nothing.

Blobs have the names of their content: they are written under other names and renamed. Only
``index.json`` is changed by many, under a lock on the folder.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter.planning import layout, oci
from exporter.selection.json_documents import compact, editable
from store.content.parallel_copy import Scatter
from store.errors import InvalidDocument, InvalidInput, printable
from store.files.durable import make_folder, sync_folder
from store.files.os_errors import Whose, translated
from store.formats.image.layout_names import CONTAINERD_NAME, INDEX, LAYOUT, REF_NAME
from store.formats.image.manifests import Document, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.planning.plan import Entry
    from exporter.selection.graph import SavedGraph
    from store import Store
    from store.content.reader import Reader
    from store.model.progress import Progress

_PREFIX: Final = ".storectl-"
_SUFFIX: Final = ".partial"


def write(
    graph: SavedGraph, folder: Path, store: Store, reader: Reader, progress: Progress
) -> None:
    """Add ``graph`` to the layout at ``folder``, which is made when it is not there.

    An entry of the same name is replaced, every other one and every file that is not ours stays.
    Raises InvalidInput for a folder that is something else, InvalidDocument when its index.json
    cannot be read, Unavailable and its branches.
    """
    _prepare(folder)
    _blobs(oci.blob_files(graph), folder, store, reader, progress)
    with _locked(folder):
        if not (folder / LAYOUT).exists():
            _replace(folder / LAYOUT, layout.LAYOUT_FILE)
        _replace(folder / INDEX, _merged(folder / INDEX, graph))
        sync_folder(folder, whose=Whose.OUTPUT)


def _prepare(folder: Path) -> None:
    name = printable(str(folder))
    with translated(folder, whose=Whose.OUTPUT):
        if not folder.parent.is_dir():
            raise InvalidInput(
                f"there is no folder {printable(str(folder.parent))}",
                hint="make it first, or save somewhere else",
            )
        make_folder(folder, whose=Whose.OUTPUT)
        present = {entry.name for entry in folder.iterdir()}
    # Others may be writing beside us, and a process that was killed leaves its files: they are ours
    # all the same.
    others = {one for one in present if not (one.startswith(_PREFIX) and one.endswith(_SUFFIX))}
    if others - {"blobs", INDEX} and LAYOUT not in others:
        raise InvalidInput(
            f"{name} is a folder, but no image layout",
            hint="give a new folder, or one with an oci-layout in it",
        )


def _blobs(
    files: Mapping[Any, Entry], folder: Path, store: Store, reader: Reader, progress: Progress
) -> None:
    # Also those that are there already: who renamed what lies in them may have died before syncing
    # them, or not have got so far yet.
    touched = {folder / "blobs": None, folder: None}
    for entry in files.values():
        target = folder / entry.path
        with translated(target, whose=Whose.OUTPUT):
            target.parent.mkdir(parents=True, exist_ok=True)
            touched[target.parent] = None
            if target.is_file() and target.stat().st_size == entry.size_bytes:
                continue
        _blob(entry, target, store, reader, progress)
    for one in touched:
        sync_folder(one, whose=Whose.OUTPUT)


def _blob(entry: Entry, target: Path, store: Store, reader: Reader, progress: Progress) -> None:
    with _temporary(target) as (descriptor, temporary):
        if isinstance(entry.source, bytes):
            _write_all(descriptor, entry.source)
        elif entry.source is not None:
            progress.start(entry.path, target.name[:12], entry.size_bytes)
            with Scatter(store.blobs, reader, descriptor) as scatter:
                if isinstance(entry.source, Path):
                    scatter.file(entry.source, 0, entry.size_bytes)
                else:
                    scatter.content(
                        entry.source, 0, lambda size: progress.advance(entry.path, size)
                    )
                scatter.finish()
            progress.finish(entry.path)
        os.fsync(descriptor)
        temporary.replace(target)


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[int, Path]]:
    with translated(target, whose=Whose.OUTPUT):
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent)
        temporary = Path(name)
        try:
            os.fchmod(descriptor, layout.FILE_MODE)
            yield descriptor, temporary
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def _replace(target: Path, data: bytes) -> None:
    with _temporary(target) as (descriptor, temporary):
        _write_all(descriptor, data)
        os.fsync(descriptor)
        temporary.replace(target)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with translated(folder, whose=Whose.OUTPUT):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # The lock is on the folder itself: it leaves no file behind.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _merged(path: Path, graph: SavedGraph) -> bytes:
    """``index.json`` with the roots of ``graph`` in it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return oci.index(graph)
    if Document.parse(data, name=printable(str(path))).kind is not Kind.INDEX:
        raise InvalidDocument("is no index", document=printable(str(path)))
    document = editable(data, printable(str(path)))
    entries: list[dict[str, Any]] = list(document.get("manifests") or [])
    ours = {str(tag) for root in graph.roots for tag in root.tags}
    new = _new_entries(graph, [entry for entry in entries if not _names(entry) & ours])
    merged: list[dict[str, Any]] = []
    for entry in entries:
        named = _names(entry) & ours
        # What is replaced keeps its place, so that saving again changes nothing.
        merged += [new.pop(name) for name in sorted(named) if name in new] if named else [entry]
    listed = {
        entry.get("digest")
        for entry in merged
        if CONTAINERD_NAME not in (entry.get("annotations") or {})
    }
    document["manifests"] = merged + [
        entry for name, entry in new.items() if name != entry["digest"] or name not in listed
    ]
    return compact(document)


def _names(entry: Mapping[str, Any]) -> set[str]:
    annotations = entry.get("annotations") or {}
    full = annotations.get(CONTAINERD_NAME)
    return {full} if full else {annotations.get(REF_NAME, "")}


def _new_entries(
    graph: SavedGraph, others: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The entries of ``graph`` by name, those without one by digest.

    A tag that ``others`` have is written with its repository.
    """
    taken = {(entry.get("annotations") or {}).get(REF_NAME) for entry in others}
    tags = [tag for root in graph.roots for tag in root.tags]
    shared = layout.tags_of_several(tags) | {tag.tag or "" for tag in tags if tag.tag in taken}
    new: dict[str, dict[str, Any]] = {}
    for root in graph.roots:
        for entry in layout.descriptors(root, graph.documents[root.digest], shared):
            new[entry.get("annotations", {}).get(CONTAINERD_NAME) or entry["digest"]] = entry
    return new
