"""Keep and forget credentials where docker or podman would: in a helper, else in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from remote.credentials.documents import encoded
from remote.credentials.files import changing, read_document, replace_text
from remote.credentials.helpers import PREFIX, HelperFailed
from remote.credentials.keys import Key
from remote.credentials.places import Kind
from store.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from remote.credentials.documents import AuthDocument
    from remote.credentials.helpers import Helpers
    from remote.credentials.places import AuthFile


@final
@dataclass(frozen=True, slots=True)
class Kept:
    """Where new credentials are kept.

    Attributes:
        path: The file that has the credentials, or that names the helper.
        helper: The name of the helper that keeps them; empty if the file does, unencrypted.
    """

    path: Path
    helper: str = ""

    @property
    def source(self) -> str:
        """The file or the program that keeps the credentials."""
        return f"{PREFIX}{self.helper}" if self.helper else str(self.path)


@final
@dataclass(frozen=True, slots=True)
class Forgotten:
    """A place from which credentials were removed.

    Attributes:
        path: The file.
        registries: The keys of the entries that were removed, as the file spelled them.
    """

    path: Path
    registries: tuple[str, ...]


def place_for(key: Key, files: tuple[AuthFile, ...]) -> AuthFile:
    """Return the file that gets new credentials.

    That is the first file that has an entry for the registry, because a later file would not be
    found; else the file that the user named; else the one of docker, which all programs read.

    Args:
        key: The registry, or a prefix of its repositories.
        files: The files, the first one first.

    Raises:
        InvalidInput: There is no place for such a file.
        StoreError: A file cannot be read.
    """
    for file in files:
        if file.is_chosen:
            return file
        document = read_document(file)
        if document is None:
            continue
        if document.spelling_of(key) is not None or document.named_helper(key):
            return file
    for file in files:
        if file.kind is Kind.DOCKER:
            return file
    raise InvalidInput(
        "cannot keep credentials: there is no home folder",
        hint="set HOME or DOCKER_CONFIG, or name a file for credentials",
    )


def keep(
    key: Key, username: str, password: str, file: AuthFile, helpers: Helpers, *, limit_s: float
) -> Kept:
    """Keep a name and a password for a registry.

    Args:
        key: The registry, or a prefix of its repositories.
        username: The name of the user.
        password: The password, or the access token that the registry takes in its place.
        file: The file, which may name a helper for the registry.
        helpers: Runs the helper.
        limit_s: How long to wait for another process that changes the file, in seconds.

    Raises:
        InvalidInput: The name has a colon.
        StoreError: The file cannot be changed, or the helper failed.
    """
    if ":" in username:
        raise InvalidInput("invalid user name: it has a colon", hint="registries know no such user")
    with changing(file, limit_s) as document:
        spelled = document.spelling_of(key) or document.spelling(key)
        helper = document.helper_for(key)
        if key.prefix and document.named_helper(key):
            raise InvalidInput(
                f"cannot keep credentials for {key}: the credential helper of {key.registry} keeps"
                " credentials for whole registries only",
                hint=f"log in to {key.registry}",
            )
        if helper and not key.prefix:
            helpers.store(helper, key.docker_spelling, username, password)
            # docker lists the registries of its helper in the file.
            entry = {}
        else:
            helper = ""
            entry = encoded(username, password)
        text = document.with_entry(spelled, entry)
        if text != document.text:
            replace_text(file.path, text)
    return Kept(file.path, helper)


def forget(
    key: Key | None, files: tuple[AuthFile, ...], helpers: Helpers, *, limit_s: float
) -> tuple[Forgotten, ...]:
    """Remove the credentials for a registry from every file and helper.

    Args:
        key: The registry, or a prefix of its repositories; None for all of them.
        files: The files that are searched for credentials.
        helpers: Runs the helpers that the files name.
        limit_s: How long to wait for another process that changes a file, in seconds.

    Returns:
        The places that had credentials.

    Raises:
        StoreError: A file cannot be changed, or a helper failed.
    """
    found = []
    for file in files:
        if read_document(file) is None:
            continue
        with changing(file, limit_s) as document:
            entries = [one for one in document.entries if key in (None, Key.of_entry(one))]
            removed = dict.fromkeys(entries)
            for registry, helper in _kept_by_helpers(key, document, helpers):
                helpers.erase(helper, registry)
                removed.setdefault(document.spelling(Key.of_entry(registry)))
            if entries:
                replace_text(file.path, document.without_entries(entries))
        if removed:
            found.append(Forgotten(file.path, tuple(removed)))
    return tuple(found)


def _kept_by_helpers(
    key: Key | None, document: AuthDocument, helpers: Helpers
) -> list[tuple[str, str]]:
    """Return the registries whose credentials helpers keep, each with the name of its helper."""
    if key is None:
        listed = [Key.of_entry(one) for one in (*document.helpers, *document.entries)]
        wanted = dict.fromkeys(Key(one.registry) for one in listed)
    elif key.prefix:
        # A helper knows registries only.
        return []
    else:
        wanted = {key: None}
    kept = []
    for registry in wanted:
        helper = document.helper_for(registry)
        if helper:
            try:
                known = set(helpers.servers(helper))
            except HelperFailed:
                # Not every helper can list what it keeps.
                known = {registry.docker_spelling}
            kept += [(spelled, helper) for spelled in registry.spellings if spelled in known]
    return kept
