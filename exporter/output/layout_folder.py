"""A writer that adds images to an OCI image layout in a folder.

The images that the folder already has stay. Any number of processes can write to one folder at the
same time. Each blob is written under a temporary name and then renamed to its digest.
``index.json`` is changed under a lock on the folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter.output.atomic_file import no_folder
from exporter.planning import layout, oci
from exporter.selection.json_documents import compact, parse_editable
from store.content.parallel_copy import Scatter
from store.errors import InvalidDocument, InvalidInput, Unavailable, printable
from store.files.durable import make_folder, sync_folder
from store.files.folder_lock import locked
from store.files.os_errors import Whose, translated
from store.formats.image.layout_names import CONTAINERD_NAME, INDEX, LAYOUT, REF_NAME, SUBJECT
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
_CLEANUP_WAIT_S: Final = 1.0
"""How long a failed save waits for the lock of a folder to remove its files there."""


def write(
    graph: SavedGraph, folder: Path, store: Store, reader: Reader, progress: Progress
) -> None:
    """Add the images to the layout in ``folder``.

    An entry of ``index.json`` with a saved name is replaced. All other entries and files stay.

    Args:
        graph: The manifests to save.
        folder: An image layout, an empty folder, or a new folder in an existing one.
        store: The store that holds the blobs.
        reader: Reads content that is stored only in encoded form.
        progress: Receives one report for each file with stored content.

    Raises:
        InvalidInput: ``folder`` holds files that are not part of a layout, a symbolic link in it
            leads out of it, or the parent of ``folder`` does not exist.
        InvalidDocument: ``index.json`` in the folder cannot be read or rewritten.
        DamagedContent: The bytes of stored content do not have its digest.
        ContentMissing: A file of the store is missing.
        Unavailable: The operating system refuses an access to ``folder``.
    """
    files = oci.blob_files(graph)
    is_new = not folder.exists()
    is_empty = _prepare(folder)
    try:
        _blobs(files, folder, store, reader, progress)
        _publish(graph, files, folder, store.waiting.limit_s)
    except BaseException:
        if is_empty:
            _remove_unpublished(folder, is_new=is_new)
        raise


def _publish(
    graph: SavedGraph, files: Mapping[Any, Entry], folder: Path, wait_limit_s: float
) -> None:
    with locked(folder, limit_s=wait_limit_s):
        for entry in files.values():
            if not (folder / entry.path).is_file():
                raise Unavailable(
                    f"{printable(str(folder / entry.path))} was removed while the images were"
                    " saved",
                    hint="save the images again",
                )
        for name in (LAYOUT, INDEX):
            _require_inside(folder, folder / name)
        if not (folder / LAYOUT).exists():
            _replace(folder / LAYOUT, layout.LAYOUT_FILE)
        _replace(folder / INDEX, _merged(folder / INDEX, graph))
        sync_folder(folder, whose=Whose.OUTPUT)


def _remove_unpublished(folder: Path, *, is_new: bool) -> None:
    """Remove the files of a failed save, if no other process has completed a layout there.

    A process that is still writing to the folder finds its files missing, and reports it.

    Args:
        folder: A folder that was empty before the save.
        is_new: Whether the save created the folder.
    """
    with suppress(OSError, Unavailable), locked(folder, limit_s=_CLEANUP_WAIT_S):
        if not (folder / INDEX).exists():
            shutil.rmtree(folder / "blobs", ignore_errors=True)
            if (folder / LAYOUT).exists():
                (folder / LAYOUT).unlink()
            if is_new:
                folder.rmdir()


def _prepare(folder: Path) -> bool:
    """Create the folder if it is missing, and return whether it is empty.

    Raises:
        InvalidInput: The folder is not a layout, or cannot be created.
    """
    name = printable(str(folder))
    with translated(folder, whose=Whose.OUTPUT):
        if not folder.parent.is_dir():
            raise InvalidInput(
                f"cannot write {name}: its parent folder does not exist",
                hint="create the parent folder first, or write to a different folder",
            )
        try:
            make_folder(folder, whose=Whose.OUTPUT)
        except FileNotFoundError:
            raise no_folder(folder) from None
        present = {entry.name for entry in folder.iterdir()}
    # Temporary files belong to another process that is writing, or to a process that was killed.
    others = {one for one in present if not (one.startswith(_PREFIX) and one.endswith(_SUFFIX))}
    if others - {"blobs", INDEX} and LAYOUT not in others:
        raise InvalidInput(
            f"cannot write into {name}: the folder has files, but is not an image layout",
            hint="give a new or empty folder, or one with an oci-layout file",
        )
    return not present


def _blobs(
    files: Mapping[Any, Entry], folder: Path, store: Store, reader: Reader, progress: Progress
) -> None:
    # Existing folders are synced as well: another process may have renamed a blob into a folder
    # without syncing the folder yet, or may have died before that.
    touched = {folder / "blobs": None, folder: None}
    for entry in files.values():
        target = folder / entry.path
        _require_inside(folder, target)
        with translated(target, whose=Whose.OUTPUT):
            target.parent.mkdir(parents=True, exist_ok=True)
            touched[target.parent] = None
            if target.is_file() and target.stat().st_size == entry.size_bytes:
                continue
        _blob(entry, target, store, reader, progress)
    for one in touched:
        sync_folder(one, whose=Whose.OUTPUT)


def _require_inside(folder: Path, target: Path) -> None:
    """Check that no symbolic link leads from a path in the layout to a place outside of it.

    Raises:
        InvalidInput: A link leads out of the folder.
    """
    with translated(target, whose=Whose.OUTPUT):
        root, found = Path(os.path.realpath(folder)), Path(os.path.realpath(target))
    if root not in found.parents:
        raise InvalidInput(
            f"cannot write {printable(str(target))}: a symbolic link leads out of the folder",
            hint="give a new or empty folder",
        )


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
            # If this fails as well, the first error names the cause.
            with suppress(OSError):
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


def _merged(path: Path, graph: SavedGraph) -> bytes:
    """Return the ``index.json`` at ``path`` with the roots of ``graph`` added."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return oci.index(graph)
    if Document.parse(data, name=printable(str(path))).kind is not Kind.INDEX:
        raise InvalidDocument("is not an index", document=printable(str(path)))
    document = parse_editable(data, printable(str(path)))
    entries: list[dict[str, Any]] = list(document.get("manifests") or [])
    ours = {str(name) for root in graph.roots for name in root.names}
    new = _new_entries(graph, [entry for entry in entries if not _names(entry) & ours])
    merged: list[dict[str, Any]] = []
    for entry in entries:
        named = _names(entry) & ours
        # A replaced entry keeps its position, so that repeating a save changes nothing.
        merged += (
            [new.pop(name) for name in sorted(named) if name in new]
            if named
            else [_with_subject(entry, new)]
        )
    listed = {
        entry.get("digest")
        for entry in merged
        if CONTAINERD_NAME not in (entry.get("annotations") or {})
    }
    document["manifests"] = merged + [
        entry for name, entry in new.items() if name != entry["digest"] or name not in listed
    ]
    return compact(document)


def _with_subject(entry: dict[str, Any], new: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return an entry that stays, with the subject that a new entry without a name states."""
    stated = new.get(entry.get("digest", ""), {}).get("annotations", {})
    own = entry.get("annotations") or {}
    if SUBJECT not in stated or own.keys() & {CONTAINERD_NAME, SUBJECT}:
        return entry
    return entry | {"annotations": own | {SUBJECT: stated[SUBJECT]}}


def _names(entry: Mapping[str, Any]) -> set[str]:
    annotations = entry.get("annotations") or {}
    full = annotations.get(CONTAINERD_NAME)
    return {full} if full else {annotations.get(REF_NAME, "")}


def _new_entries(
    graph: SavedGraph, others: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the entries of ``graph`` by name, or by digest if they have no name.

    A tag that occurs in ``others`` is written with its repository.
    """
    taken = {(entry.get("annotations") or {}).get(REF_NAME) for entry in others}
    tags = [tag for root in graph.roots for tag in root.tags]
    shared = layout.tags_of_several(tags) | {tag.tag or "" for tag in tags if tag.tag in taken}
    new: dict[str, dict[str, Any]] = {}
    for root in graph.roots:
        for entry in layout.descriptors(root, graph.documents, shared):
            new[entry.get("annotations", {}).get(CONTAINERD_NAME) or entry["digest"]] = entry
    return new
