"""Permission to read: a client may read the content of the repositories that it may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import repositories
from store.formats.distribution.names import BY_ID
from store.registry.repositories import repository_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.references import Repository


def unreadable(
    connection: Connection,
    contents: Iterable[Sources],
    may_read: Callable[[Repository], bool],
) -> list[Digest]:
    """Return the digests that are not served by any repository that the client may read.

    If a client may read a blob, it may also read the decoded form of the blob.

    Args:
        connection: A read unit.
        contents: The stored forms of each digest.
        may_read: Returns whether the client may read a repository; called once per repository.
    """
    forms = {
        one.digest: {one.digest, *(stored.digest for stored in one.encodings)} for one in contents
    }
    held = repositories.holders_of_all(
        connection, {form for forms_of_one in forms.values() for form in forms_of_one}
    )
    answers: dict[str, bool] = {}

    def may_read_name(name: str) -> bool:
        if name not in answers:
            answers[name] = may_read(repository_of(name))
        return answers[name]

    found = [
        digest
        for digest, forms_of_one in forms.items()
        if not any(may_read_name(name) for form in forms_of_one for name in held.get(form, ()))
    ]
    if found and may_read(BY_ID):
        return [
            digest
            for digest in found
            if not any(repositories.kept_without_name(connection, form) for form in forms[digest])
        ]
    return found
