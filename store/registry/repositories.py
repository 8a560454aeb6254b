"""Repositories by name: parsed from rows, required to exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import repositories
from store.errors import RepositoryNotFound
from store.model.references import Repository

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.db.types import RepositoryKey


def repository_of(name: str) -> Repository:
    """Return the repository of a name as the catalogue has it: ``domain/path``."""
    domain, _, path = name.partition("/")
    return Repository(domain, path)


def require_repository(connection: Connection, repository: Repository) -> RepositoryKey:
    """Return the row of a repository.

    Args:
        connection: A read or write unit.
        repository: The repository.

    Raises:
        RepositoryNotFound: Nothing was ever pushed, tagged or imported under this name.
    """
    key = repositories.find(connection, repository)
    if key is None:
        raise RepositoryNotFound(f"no repository {repository}")
    return key
