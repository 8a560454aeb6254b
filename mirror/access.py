"""Who may do what: anonymous reading, users of an htpasswd file, reading only."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

import bcrypt

from store.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.references import Repository

_SCHEMES: Final = ("$2a$", "$2b$", "$2y$")


class Action(StrEnum):
    """What a request does."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking; ``user`` is None for anybody."""

    user: str | None = None


ANYBODY: Final = Caller()


@final
@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one registry. Without ``users`` there is nobody to tell apart: everybody may do everything that is not read-only."""

    users: Mapping[str, bytes] = field(default_factory=dict)
    anonymous_read: bool = True
    read_only: bool = False

    def allows(self, caller: Caller, action: Action, repository: Repository | None = None) -> bool:
        """Whether the caller may do this there."""
        del repository
        if not self.users or caller.user is not None:
            return True
        return action is Action.READ and self.anonymous_read

    def caller(self, authorization: str | None) -> Caller | None:
        """Who an ``Authorization`` header proves to be asking; None when it proves nothing. Takes a tenth of a second, whoever is asking."""
        if authorization is None:
            return ANYBODY
        given = _basic(authorization)
        if given is None:
            return None
        user, password = given
        # An unknown user costs as much time as a wrong password: nobody learns who exists.
        known = self.users.get(user, _NOBODY)
        matches = bcrypt.checkpw(password[:72], known)
        return Caller(user) if matches and user in self.users else None


_NOBODY: Final = bcrypt.hashpw(b"", bcrypt.gensalt(rounds=10))


def _basic(authorization: str) -> tuple[str, bytes] | None:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon and b"\0" not in password else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def read_htpasswd(text: str) -> dict[str, bytes]:
    """The users of an htpasswd file and the hashes of their passwords. Raises InvalidInput for a line that is none, or another scheme than bcrypt."""
    users: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        user, colon, hashed = line.strip().partition(":")
        if not colon or not user:
            raise InvalidInput(f"line {number} is no user:hash", hint="make one with `htpasswd -nB USER`")
        if not hashed.startswith(_SCHEMES):
            raise InvalidInput(f"line {number}: the password of {user!r} is not hashed with bcrypt", hint="make it anew with `htpasswd -nB USER`")
        users[user] = hashed.encode()
    return users
