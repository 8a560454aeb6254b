"""The text of a file with credentials: what it says, and how one entry is changed.

An entry holds ``auth`` (base64 of ``USER:PASSWORD``), or ``username`` and ``password``, or a token.
Source: docker/cli, cli/config/configfile; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, final

from remote.auth.credentials import Credentials
from remote.credentials.keys import Key
from remote.credentials.places import Kind
from store.errors import InvalidInput, printable
from store.model.base_errors import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TOKEN_USER: Final = "<token>"  # noqa: S105 - the name that marks a token
"""The name of the user whose password is an identity token, in helpers and in docker's files."""

_SECRETS: Final = frozenset(("auth", "username", "password", "identitytoken", "registrytoken"))
_MAX_DEPTH: Final = 100
_INDENTATION: Final = re.compile(r"\n([ \t]+)\"")
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_QUOTED: Final = 160
_HINT: Final = "log in again, or mend the file by hand"


@final
@dataclass(frozen=True, slots=True)
class AuthDocument:
    """The credentials in a file, which are checked when they are used.

    Attributes:
        text: The text of the file.
        name: The name of the file or variable, for messages.
        kind: The program that owns the file.
        members: The whole document, with members that this program does not know.
        entries: The entries by their key as the file spells it.
        helpers: The names of helpers by registry, as the file spells it.
        store: The helper for every other registry; empty for none.
    """

    text: str = field(repr=False)
    name: str
    kind: Kind
    members: Mapping[str, Any] = field(repr=False)
    entries: Mapping[str, Any] = field(repr=False)
    helpers: Mapping[str, Any]
    store: str = ""

    @classmethod
    def parse(cls, text: str, name: str, kind: Kind) -> Self:
        """Read a document.

        Args:
            text: The text; empty text has no credentials.
            name: The name of the file or variable, for messages.
            kind: The program that owns the file.

        Raises:
            InvalidInput: The text is not JSON, or a member has the wrong type.
        """
        members = _object(_json(text, name) if text.strip() else None, name, "the document")
        if kind is Kind.DOCKERCFG:
            return cls(text, name, kind, members, members, {})
        store = members.get("credsStore")
        return cls(
            text,
            name,
            kind,
            members,
            _object(members.get("auths"), name, "auths"),
            _object(members.get("credHelpers"), name, "credHelpers"),
            "" if store is None else _helper(store, name, "credsStore"),
        )

    def named_helper(self, key: Key) -> str | None:
        """Return the name of the helper that ``credHelpers`` lists for a registry.

        Returns:
            The name; None if the registry is not listed. Empty if the file switches the helper of
            ``credsStore`` off for this registry.

        Raises:
            InvalidInput: The name cannot be that of a program.
        """
        for spelled, helper in self.helpers.items():
            if Key.of_entry(spelled) == Key(key.registry):
                return _helper(helper, self.name, f"credHelpers[{_quoted(spelled)}]")
        return None

    def helper_for(self, key: Key) -> str:
        """Return the name of the helper that keeps new credentials for a registry; empty for none.

        Raises:
            InvalidInput: The name cannot be that of a program.
        """
        named = self.named_helper(key)
        return self.store if named is None else named

    def spelling(self, key: Key) -> str:
        """Return the key as the program that owns the file writes it."""
        return str(key) if self.kind is Kind.CONTAINERS else key.docker_spelling

    def spelling_of(self, key: Key) -> str | None:
        """Return the key of the entry that holds for exactly this registry or prefix, or None."""
        spelled = [one for one in self.entries if Key.of_entry(one) == key]
        preferred = self.spelling(key)
        return preferred if preferred in spelled else spelled[0] if spelled else None

    def credentials(self, spelled: str) -> Credentials | None:
        """Return the credentials in an entry.

        Args:
            spelled: The key of the entry, as the file spells it.

        Returns:
            The credentials; None if the entry has none, as beside a helper.

        Raises:
            InvalidInput: The entry is damaged.
        """
        where = f"auths[{_quoted(spelled)}]"
        entry = _object(self.entries[spelled], self.name, where)
        values = {}
        for member in ("auth", "username", "password", "identitytoken", "registrytoken"):
            value = entry.get(member)
            value = "" if value is None else value
            if not isinstance(value, str):
                _refuse(self.name, f"{where}.{member} is not text")
            values[member] = value
        username, password = values["username"], values["password"]
        if values["auth"]:
            username, password = self._decoded(values["auth"], f"{where}.auth")
        token = values["identitytoken"]
        if username == TOKEN_USER:
            username, password, token = "", "", token or password
        found = Credentials(username, password, token, values["registrytoken"], self.name)
        return found if found.has_secret else None

    def with_entry(self, key: str, entry: Mapping[str, str]) -> str:
        """Return the text of the file with one entry added or replaced.

        All other members stay, in their order. So does the indentation.

        Args:
            key: The key of the entry, as the file spells it.
            entry: The members of the entry. Members of an old entry that hold no credentials stay.
        """
        before = self.entries.get(key)
        kept = before.items() if isinstance(before, dict) else ()
        others = {name: value for name, value in kept if name not in _SECRETS}
        return self._written({**self.entries, key: {**others, **entry}})

    def without_entries(self, keys: Iterable[str]) -> str:
        """Return the text of the file without some entries.

        Args:
            keys: The keys of the entries, as the file spells them.
        """
        removed = set(keys)
        return self._written({key: one for key, one in self.entries.items() if key not in removed})

    def _written(self, entries: Mapping[str, Any]) -> str:
        members = (
            dict(entries)
            if self.kind is Kind.DOCKERCFG
            else {**self.members, "auths": dict(entries)}
        )
        # docker and podman indent with a tab. A file that a person wrote keeps its own indentation.
        found = _INDENTATION.search(self.text)
        indentation = found[1] if found else "\t"
        written = json.dumps(members, indent=indentation, ensure_ascii=False)
        if not is_text(written):
            # A lone surrogate, which is valid as an escape only.
            written = json.dumps(members, indent=indentation)
        return written + ("\n" if self.text.endswith("\n") else "")

    def _decoded(self, auth: str, where: str) -> tuple[str, str]:
        try:
            text = base64.b64decode("".join(auth.split()), validate=True).decode()
        except (binascii.Error, ValueError):
            _refuse(self.name, f"{where} is not base64 of USER:PASSWORD")
        username, colon, password = text.partition(":")
        if not colon:
            _refuse(self.name, f"{where} is not base64 of USER:PASSWORD")
        # docker pads passwords with zero bytes.
        return username, password.strip("\0")


def encoded(username: str, password: str) -> dict[str, str]:
    """Return the members of an entry with a name and a password."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def _json(text: str, name: str) -> object:
    def refuse_constant(constant: str) -> NoReturn:
        _refuse(name, f"{constant} is not JSON")

    try:
        document: object = json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        _refuse(name, f"{error.msg} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _refuse(name, "the document is nested too deeply")
    except ValueError as error:
        # A number of thousands of digits.
        _refuse(name, str(error))
    if _depth(document) > _MAX_DEPTH:
        _refuse(name, "the document is nested too deeply")
    return document


def _depth(document: object) -> int:
    """Return how deeply a document is nested, or a number above the ceiling."""
    level: Sequence[object] = [document]
    for depth in range(_MAX_DEPTH + 2):
        level = [
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return depth
    return _MAX_DEPTH + 1


def _object(value: object, name: str, where: str) -> dict[str, Any]:
    """Return an object; an empty one for null, as in Go."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(name, f"{where} is not an object")
    return value


def _helper(value: object, name: str, where: str) -> str:
    if value == "":
        return ""
    if not isinstance(value, str) or _HELPER.fullmatch(value) is None:
        _refuse(
            name,
            f"{where} is not the name of a credential helper, which has letters, digits, '.', '_'"
            " and '-'",
        )
    return value


def _quoted(key: str) -> str:
    return f"{printable(key[:_MAX_QUOTED])!r}"


def _refuse(name: str, fact: str) -> NoReturn:
    raise InvalidInput(f"invalid credentials in {name}: {fact}", hint=_HINT)
