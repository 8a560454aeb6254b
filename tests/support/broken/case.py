"""A case of the corpus: a broken or odd input, its fault, and the expected result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from store import ImportOptions, errors
from tests.support.archive_entries import FILE, Entry, packed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.layouts import Layout


@final
@dataclass(frozen=True, slots=True)
class Refused:
    """The input is refused with ``error``.

    The message contains each text of ``says``, and the error has the attributes ``facts``, compared
    as text.
    """

    error: type[errors.InvalidInput]
    says: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """The input is accepted, for the reason ``because``.

    The report's lines begin with ``lines``, and each text of ``notes`` is part of a note.
    """

    because: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Case:
    """An input with its expected result.

    ``why`` describes its fault. ``entries`` are the members of a tar, and of a folder if
    ``in_folder`` is set. ``archive`` holds bytes that no list of members can produce.
    """

    name: str
    why: str
    expected: Refused | Accepted
    entries: tuple[Entry, ...] = ()
    archive: bytes | None = None
    in_folder: bool = False
    only_folder: bool = False
    options: ImportOptions = field(default_factory=ImportOptions)
    arguments: tuple[str, ...] | None = ()
    """The command-line arguments for ``options``; None if the command line does not have them."""

    @property
    def data(self) -> bytes:
        """The archive as bytes."""
        return packed(self.entries) if self.archive is None else self.archive


def of_files(files: Mapping[str, bytes], *more: Entry) -> tuple[Entry, ...]:
    """Return entries for files by path, followed by ``more`` entries."""
    return (*(Entry(name, data, FILE) for name, data in files.items()), *more)


def of_layout(layout: Layout, *more: Entry, without: tuple[str, ...] = ()) -> tuple[Entry, ...]:
    """Return the members of a layout as entries, except those named in ``without``."""
    return of_files(
        {name: data for name, data in layout.members().items() if name not in without}, *more
    )


def path_of(digest: str) -> str:
    """Return the path of a blob in a layout."""
    return f"blobs/{digest.replace(':', '/')}"


def refused(error: type[errors.InvalidInput], *says: str, **facts: Any) -> Refused:  # noqa: ANN401 - shown as text
    """Return `Refused` with every fact as text."""
    return Refused(error, says, {key: str(value) for key, value in facts.items()})
