"""The search for credentials: the places in their order, and in each the most specific entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from remote.credentials.documents import AuthDocument
from remote.credentials.files import read_document
from remote.credentials.keys import Key, keys_for
from remote.credentials.places import AUTH_VARIABLE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.auth.credentials import Credentials, CredentialSource
    from remote.credentials.helpers import Helpers
    from remote.credentials.places import AuthFile


@final
@dataclass(frozen=True, slots=True)
class StoredCredentials:
    """The credentials that the user keeps in files and helpers (`CredentialSource`).

    The first place that has credentials for a repository decides.

    Args:
        files: The files, the first one first.
        helpers: Runs the helpers that files name.
        variable: The value of DOCKER_AUTH_CONFIG, which comes before the files; empty for none.
    """

    files: tuple[AuthFile, ...]
    helpers: Helpers
    variable: str = field(default="", repr=False)

    def credentials_for(self, registry: str, repository: str) -> Credentials | None:
        """Return the credentials for a repository; None if no place has any.

        Args:
            registry: The registry as references name it.
            repository: The path of the repository; empty for the registry alone.

        Raises:
            StoreError: A place cannot be read, or a helper failed.
        """
        keys = keys_for(registry, repository)
        for document in self._documents():
            found = find(document, keys, self.helpers)
            if found is not None:
                return found
        return None

    def _documents(self) -> Iterator[AuthDocument]:
        if self.variable.strip():
            yield AuthDocument.parse(self.variable, AUTH_VARIABLE, Kind.DOCKER)
        for file in self.files:
            document = read_document(file)
            if document is not None:
                yield document


@final
@dataclass(frozen=True, slots=True)
class GivenCredentials:
    """Credentials that the user gave for this run (`CredentialSource`).

    Args:
        credentials: The credentials.
        registries: The registries that get them, as references name them. Others, such as mirrors,
            do not. If it is empty, every registry gets them.
        others: The source for every other registry.
    """

    credentials: Credentials
    registries: tuple[str, ...]
    others: CredentialSource

    def credentials_for(self, registry: str, repository: str) -> Credentials | None:
        """Return the credentials for a repository.

        Args:
            registry: The registry as references name it.
            repository: The path of the repository; empty for the registry alone.

        Raises:
            StoreError: Another place cannot be read, or a helper failed.
        """
        key = Key.of_entry(registry)
        if not self.registries or any(key == Key.of_entry(one) for one in self.registries):
            return self.credentials
        return self.others.credentials_for(registry, repository)


def find(document: AuthDocument, keys: tuple[Key, ...], helpers: Helpers) -> Credentials | None:
    """Return the credentials that one document has for a repository, or None.

    As in docker and podman, a helper for the registry decides alone. The helper for all registries
    comes before the entries.

    Args:
        document: The document.
        keys: The keys that hold for the repository, the most specific first.
        helpers: Runs the helpers that the document names.

    Raises:
        StoreError: The document is damaged, or a helper failed.
    """
    registry = keys[-1]
    named = document.named_helper(registry)
    if named:
        return helpers.get(named, registry.spellings)
    if document.store and named is None:
        found = helpers.get(document.store, registry.spellings)
        if found is not None:
            return found
    for key in keys:
        spelled = document.spelling_of(key)
        found = None if spelled is None else document.credentials(spelled)
        if found is not None:
            return found
    return None
