"""Archives and folders as the source or the receiver of a copy, by the transport of their name."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from remote.copying.archive_target import ArchiveTarget
from remote.copying.docker_target import DockerArchiveTarget
from remote.copying.folder_target import FolderTarget
from remote.copying.layout_repository import folder_image
from remote.copying.layout_target import LayoutTarget
from remote.copying.named_import import patterns_of
from remote.copying.temporary_store import TemporaryStore
from remote.names import DaemonImage, DockerArchive, FolderImage, LayoutImage, OciArchive
from store.errors import InvalidInput, Unavailable, printable
from store.files.os_errors import Whose, translated
from store.formats.image.layout_names import INDEX
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote.copying.named_import import NamedImport
    from remote.copying.receivers import Receiver
    from remote.engine.docker import DockerEngine
    from remote.names import Location
    from remote.pushing.choice import Choice
    from remote.pushing.image import SentImage
    from remote.pushing.report import Listener
    from store.importing.report import ImportReport
    from store.model.progress import Progress
    from store.model.references import Reference


def import_location(
    importing: NamedImport, location: Location, engine: DockerEngine | None = None
) -> ImportReport:
    """Import the image of an archive, a folder or an engine into a store.

    Args:
        importing: Imports the image under a name.
        location: The name of the image.
        engine: The Docker engine of this machine; None if there is none.

    Raises:
        InvalidInput: The transport cannot be read here, the archive is not valid, or it does not
            have the image.
        Unavailable: The archive cannot be read.
    """
    shown = str(location)
    match location:
        case LayoutImage(path, name, None):
            return importing.import_one(path, name, shown, is_bare=True)
        case LayoutImage(path, None, int(position)):
            return importing.import_one(path, _digest_at(path, position), shown)
        case OciArchive(path, name, None):
            return importing.import_one(path, name, shown, is_bare=True)
        case DockerArchive(path, reference, None):
            return importing.import_one(path, None if reference is None else str(reference), shown)
        case FolderImage(path):
            return importing.import_one(path, None, shown)
        case DaemonImage(image) if engine is not None:
            with engine.saving(engine_name(image)) as archive:
                return importing.import_one(archive, None, shown)
        case OciArchive() | DockerArchive():
            raise InvalidInput(
                f"cannot copy from {printable(shown)}: a position in an archive is not supported",
                hint="name the image by its name in the archive",
            )
        case _:
            raise _unsupported(location, "from")


@contextmanager
def open_location(
    location: Location,
    choice: Choice,
    *,
    jobs: int,
    progress: Progress,
    engine: DockerEngine | None = None,
) -> Iterator[SentImage]:
    """Open the image of an archive, a folder or an engine.

    The blobs of a folder are sent from its files. Everything else is imported into a temporary
    store first.

    Args:
        location: The name of the image.
        choice: What of the image is sent.
        jobs: How many blobs are read at once.
        progress: Receives the progress of an import.
        engine: The Docker engine of this machine; None if there is none.

    Raises:
        StoreError: As `import_location`, or the image does not have what was chosen.
    """
    folder = _folder_of(location)
    if folder is not None:
        image = folder_image(*folder, choice)
        if image is not None:
            yield replace(image, name=str(location))
            return
    with TemporaryStore(progress) as temporary:
        import_location(temporary.importing, location, engine)
        with temporary.open(choice, name=str(location), jobs=jobs) as image:
            yield image


def _folder_of(location: Location) -> tuple[Path, tuple[tuple[str, ...], ...]] | None:
    """Return the folder of an image, and the choices of it there; None if it is not in a folder."""
    match location:
        case LayoutImage(path, name, None):
            return path, patterns_of(name, is_bare=True)
        case LayoutImage(path, None, int(position)):
            return path, ((_digest_at(path, position),),)
        case FolderImage(path):
            return path, ((),)
        case _:
            return None


def local_receiver(
    location: Location,
    *,
    jobs: int,
    progress: Progress,
    listener: Listener,
    wait_limit_s: float,
) -> Receiver:
    """Return the receiver of a copy that is an archive or a folder.

    Args:
        location: The name of the copy.
        jobs: How many blobs are written at once.
        progress: Receives the progress of each blob.
        listener: Is told about each blob.
        wait_limit_s: How long to wait for another process that changes the folder.

    Raises:
        InvalidInput: The transport cannot be written here.
    """
    match location:
        case LayoutImage(path, name, None):
            return LayoutTarget(
                path,
                name,
                jobs=jobs,
                progress=progress,
                listener=listener,
                wait_limit_s=wait_limit_s,
            )
        case OciArchive(path, name, None):
            return ArchiveTarget(path, name, progress=progress, listener=listener)
        case DockerArchive(path, reference, None):
            return DockerArchiveTarget(path, reference, jobs=jobs, progress=progress)
        case FolderImage(path):
            return FolderTarget(path, jobs=jobs, progress=progress, listener=listener)
        case _:
            raise _unsupported(location, "to")


def engine_name(image: Reference | Digest) -> str:
    """Return the name by which an engine finds an image.

    Args:
        image: The name with a tag, or the ID.
    """
    return str(image) if isinstance(image, Digest) else image.with_default_tag().familiar


def _digest_at(folder: Path, position: int) -> str:
    """Return the digest of an image by its position in the index of a layout."""
    path = folder / INDEX
    try:
        with translated(path, whose=Whose.INPUT):
            data = path.read_bytes()
        entries = json.loads(data)["manifests"]
        return str(entries[position]["digest"])
    except (FileNotFoundError, Unavailable):
        raise
    except (LookupError, TypeError, ValueError, RecursionError):
        raise InvalidInput(
            f"cannot find image {position} in {printable(str(path))}: the index has no such entry"
        ) from None


def _unsupported(location: Location, way: str) -> InvalidInput:
    return InvalidInput(
        f"cannot copy {way} {printable(str(location))}: this transport is not supported here",
        hint="name an image in a registry, an archive or a folder",
    )
