"""Repositories by name: parse the names in the catalogue, and require that a repository exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import repositories
from store.errors import RepositoryNotFound
from store.model.references import Repository

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.db.types import RepositoryKey


def repository_of(name: str) -> Repository:
    """Return the repository of a full name in the catalogue, ``domain/path``."""
    domain, _, path = name.partition("/")
    return Repository(domain, path)


def require_repository(connection: Connection, repository: Repository) -> RepositoryKey:
    """Return the row number of a repository.

    Args:
        connection: A read or write unit.
        repository: The repository to find.

    Raises:
        RepositoryNotFound: No image was ever pushed, tagged or imported under this name.
    """
    key = repositories.find(connection, repository)
    if key is None:
        raise RepositoryNotFound(f"no repository {repository}")
    return key
