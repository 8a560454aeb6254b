"""A case of the corpus of broken inputs: an input, its fault, and the expected result."""

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
    """An expected result: the import is refused with the exception ``error``.

    The exception's message contains each text in ``says``. The exception's attributes, converted to
    text, have the values in ``facts``.
    """

    error: type[errors.InvalidInput]
    says: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """An expected result: the input is imported, for the reason ``because``.

    The report of the import begins with ``lines``. Each text in ``notes`` is part of a note in the
    report. A check of the store has findings of the kinds ``findings``.
    """

    because: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Case:
    """An input with its expected result.

    ``why`` describes the input's fault. ``entries`` are the members of the input as a tar, and as a
    folder if ``in_folder`` is set. ``archive`` holds the input's bytes if no list of members can
    produce them.
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
    """The command-line arguments for ``options``; None if no arguments stand for these options."""

    @property
    def data(self) -> bytes:
        """The archive as bytes."""
        return packed(self.entries) if self.archive is None else self.archive


def of_files(files: Mapping[str, bytes], *more: Entry) -> tuple[Entry, ...]:
    """Return an entry for each of these files by path, followed by the entries ``more``."""
    return (*(Entry(name, data, FILE) for name, data in files.items()), *more)


def of_layout(layout: Layout, *more: Entry, without: tuple[str, ...] = ()) -> tuple[Entry, ...]:
    """Return the members of a layout as entries, except the members named in ``without``."""
    return of_files(
        {name: data for name, data in layout.members().items() if name not in without}, *more
    )


def path_of(digest: str) -> str:
    """Return the path of a blob in a layout."""
    return f"blobs/{digest.replace(':', '/')}"


def refused(error: type[errors.InvalidInput], *says: str, **facts: Any) -> Refused:  # noqa: ANN401 - shown as text
    """Return a `Refused` whose facts are converted to text."""
    return Refused(error, says, {key: str(value) for key, value in facts.items()})
