"""One broken (or merely odd) input: what is wrong with it, and what has to come of it."""

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
    """Refused with ``error``.

    Its message has everything in ``says`` in it, and its attributes are ``facts`` (as text).
    """

    error: type[errors.InvalidInput]
    says: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken in, ``because``.

    The lines begin with ``lines``, and one of the notes has each text of ``notes`` in it.
    """

    because: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Case:
    """An input.

    ``entries`` are a tar, and a folder as well when ``in_folder``; ``archive`` are bytes that no
    list of members makes.
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
    """``options`` as the command line has them; None where it has not."""

    @property
    def data(self) -> bytes:
        """The archive's bytes."""
        return packed(self.entries) if self.archive is None else self.archive


def of_files(files: Mapping[str, bytes], *more: Entry) -> tuple[Entry, ...]:
    """Plain files by path, and whatever else."""
    return (*(Entry(name, data, FILE) for name, data in files.items()), *more)


def of_layout(layout: Layout, *more: Entry, without: tuple[str, ...] = ()) -> tuple[Entry, ...]:
    """The members of a layout."""
    return of_files(
        {name: data for name, data in layout.members().items() if name not in without}, *more
    )


def path_of(digest: str) -> str:
    """Where a layout keeps a blob."""
    return f"blobs/{digest.replace(':', '/')}"


def refused(error: type[errors.InvalidInput], *says: str, **facts: Any) -> Refused:  # noqa: ANN401 - shown as text
    """Short for `Refused`."""
    return Refused(error, says, {key: str(value) for key, value in facts.items()})
