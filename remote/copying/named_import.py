"""The import of one image of an archive or a folder, under a new name or its own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, final

from store import Choice as ImportChoice
from store import ImportOptions
from store.errors import InvalidInput, printable
from store.importing.archive import LayerChecks

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.importing.report import ImportReport
    from store.model.platforms import Platform
    from store.model.progress import Progress
    from store.model.references import Reference


@final
@dataclass(frozen=True, slots=True)
class NamedImport:
    """Imports one image of an archive.

    Attributes:
        store: The store that gets the image.
        tag: The name that the image gets; None for the names that the archive gives it.
        progress: Receives the progress of imports.
        platforms: The images of an index to import; empty for all.
        is_dry_run: Whether to change nothing.
        checks: What happens to an image whose config lists other layers.
    """

    store: Store
    tag: Reference | None
    progress: Progress
    platforms: tuple[Platform, ...] = field(default=())
    is_dry_run: bool = False
    checks: LayerChecks = LayerChecks.NOTED

    def import_one(
        self, source: Path | BinaryIO, name: str | None, shown: str, *, is_bare: bool = False
    ) -> ImportReport:
        """Import one image of an archive.

        Args:
            source: A file, a folder or a stream.
            name: The name of the image in the archive; None if it has only one.
            shown: The archive, for errors and for the ledger of imports.
            is_bare: Whether the name may be only the tag of the image.

        Raises:
            InvalidInput: The archive is not valid, does not have the image, or has several images
                and no name was given.
        """
        first, *others = patterns_of(name, is_bare=is_bare)
        try:
            return self._import(source, first, shown)
        except InvalidInput:
            for patterns in others:
                with suppress(InvalidInput):
                    return self._import(source, patterns, shown)
            raise

    def _import(self, source: Path | BinaryIO, names: tuple[str, ...], shown: str) -> ImportReport:
        choice = ImportChoice(
            platforms=self.platforms, images=names, tag=self.tag, is_single=self.tag is None
        )
        options = ImportOptions(
            source_name=shown,
            choice=choice,
            dry_run=self.is_dry_run,
            has_inventory=True,
            checks=self.checks,
        )
        try:
            return self.store.import_archive(source, options, self.progress)
        except InvalidInput as error:
            # The usual advice is for options of an import.
            error.remedy = None
            error.hint = error.hint or f"name one image of {printable(shown)}"
            raise


def patterns_of(name: str | None, *, is_bare: bool) -> tuple[tuple[str, ...], ...]:
    """Return the choices by which an image of an archive is looked for, one after another.

    Args:
        name: The name of the image in the archive; None if it has only one.
        is_bare: Whether the name may be only the tag of the image.
    """
    if name is None:
        return ((),)
    exact = (_literal(name),)
    return (exact, (f"**/*:{_literal(name)}",)) if is_bare else (exact,)


def _literal(name: str) -> str:
    """Return a pattern that matches only a name itself."""
    return "".join(f"\\{letter}" if letter in r"*?[]\\" else letter for letter in name)
