"""A check of the rows of names: repositories, references, and what is kept without a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from store.catalog.checking import raw_rows
from store.errors import IntegrityError, InvalidInput
from store.model.references import Repository, is_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.maintenance.fsck.verdicts import Check, Verdict


@final
class Names:
    """The check of the rows of names, and of the states of content.

    Args:
        check: The check that this is a step of.
    """

    def __init__(self, check: Check) -> None:
        self._check = check

    def run(self) -> Iterator[Verdict]:
        """Yield the findings about repositories, references, and the states of content."""
        for rows in self._check.walk("repository", raw_rows.repositories):
            self._check.checked.add("Repositories", len(rows))
            for row in rows:
                if not _is_repository(row.name):
                    why = "is not the name of a repository"
                    yield self._check.row("wrong-name", str(row.name), why, "repository")
        for rows in self._check.walk("reference", raw_rows.references):
            self._check.checked.add("References", len(rows))
            for row in rows:
                yield from self._reference(row)
        yield from self._check.malformed()
        yield from self._states()

    def _reference(self, row: Any) -> Iterator[Verdict]:  # noqa: ANN401 - a raw row
        name = f"{row.name}:{row.tag}"
        if not isinstance(row.tag, str) or not is_tag(row.tag):
            yield self._check.row("wrong-name", name, "is not a name", "reference")
        # The log keeps the last million changes. A name that changed before has no entry.
        elif row.logged is not None and (row.logged_digest, row.logged_at) != (
            row.digest,
            row.tagged_at,
        ):
            why = (
                f"names {row.digest} since {row.tagged_at}, but was last set to"
                f" {row.logged_digest or 'nothing'} at {row.logged_at}"
            )
            yield self._check.row("wrong-reference", name, why, "reference")

    def _states(self) -> Iterator[Verdict]:
        try:
            with self._check.workspace.raw() as connection:
                states = list(raw_rows.wrong_states(connection))
                kept = list(raw_rows.kept_and_named(connection))
        except IntegrityError:
            # The engine's own check has found it.
            return
        for digest, has_bytes in states:
            if has_bytes:
                why = "is recorded as absent, but its bytes are stored"
                yield self._check.row("wrong-state", str(digest), why, "content")
            else:
                why = "is recorded as present, but is not stored in any form"
                yield self._check.row("no-bytes", str(digest), why, "content")
        for row in kept:
            why = "is kept as a manifest without a name, but has a name"
            yield self._check.row("wrong-name", str(row.digest), why, "kept")


def _is_repository(name: object) -> bool:
    if not isinstance(name, str):
        return False
    try:
        return str(Repository.parse(name)) == name
    except InvalidInput:
        return False
