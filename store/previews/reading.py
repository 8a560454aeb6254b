"""Read what an archive or a folder says about its images, without a store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast, final

from store.errors import InvalidInput, StoreError
from store.formats.archives.opening import open_source
from store.formats.tar.foreign import refuse_foreign
from store.importing.archive import ArchiveInput
from store.importing.intake import read_archive
from store.importing.members.members import open_members
from store.model.progress import Silent
from store.previews.document_stager import DocumentStager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from store.formats.archives.claims import ArchiveClaim
    from store.formats.archives.selection import Choice
    from store.importing.members.members import Members
    from store.importing.staging import Stager
    from store.model.digests import DiffID, Digest
    from store.model.limits import Limits


@final
@dataclass(frozen=True, slots=True)
class ReadClaim:
    """The claims of an archive, and its files for as long as the archive is open."""

    claim: ArchiveClaim
    members: Members


@contextmanager
def read_claim(
    source: Path | BinaryIO, limits: Limits, choice: Choice, new_file: Callable[[], Path]
) -> Iterator[ReadClaim]:
    """Open an archive or a folder, and read its documents as an import does.

    Args:
        source: An archive file, a folder, or a stream.
        limits: The ceilings of an import.
        choice: The images to read.
        new_file: Returns the path of a file to create outside of any store. It is called only for
            an archive that is compressed, or in a pipe.

    Raises:
        InvalidInput: An import would refuse the documents, or has no image that ``choice`` selects.
    """
    stager = DocumentStager(limits, new_file)
    with open_source(source, limits) as opened:
        # The readers of formats use only the methods that both kinds of stagers have.
        kept = cast("Stager", stager)
        members = open_members(opened, kept, limits, Silent())
        archive = read_archive(ArchiveInput(members, kept, limits, _Everything(), choice))
        stager.is_measuring = True
        yield ReadClaim(archive.claim, members)


def is_refused(source: Path, limits: Limits, choice: Choice) -> bool:
    """Return whether an import certainly refuses a file or folder, before its layers are read.

    Of a compressed archive, only the first bytes are read. A pipe is not read at all.

    Args:
        source: The path of the input; it need not exist.
        limits: The ceilings of the import.
        choice: The images to import.
    """
    if source.is_fifo() or source.is_socket():
        return False
    try:
        with open_source(source, limits) as opened:
            refuse_foreign(opened.head, opened.compression)
            is_plain = opened.seekable
        if is_plain:
            with read_claim(source, limits, choice, _no_file):
                pass
    except InvalidInput:
        return True
    except StoreError:
        # The import meets the same error, unless it is over by then.
        return False
    return False


def _no_file() -> NoReturn:
    raise AssertionError("a plain archive needs no files of its own")


@final
class _Everything:
    """A store that has every layer and blob, so that the reader of a format asks for none."""

    def diffs(self, wanted: Iterable[DiffID]) -> set[DiffID]:
        return set(wanted)

    def blobs(self, wanted: Iterable[Digest]) -> set[Digest]:
        return set(wanted)

    def layers(self, wanted: Iterable[tuple[Digest, DiffID]]) -> set[tuple[Digest, DiffID]]:
        return set(wanted)

    def document(self, digest: Digest) -> bytes | None:
        del digest
        return None
