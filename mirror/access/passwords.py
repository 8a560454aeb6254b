"""Passwords of an htpasswd file: bcrypt, and nothing that tells who exists."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

import bcrypt

from store.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES: Final = ("$2a$", "$2b$", "$2y$")
_LONGEST: Final = 72
"""Bytes of a password that bcrypt looks at."""

_UNKNOWN_USER_HASH: Final = b"$2b$10$pqUBNxgLQUe2UU3x0OWNHu0bE5kZgqnVAZvt6v6nYBWqRt8nj1kUK"


def matches(users: Mapping[str, bytes], user: str, password: bytes, secret: bytes) -> bool:
    """Whether this is the user's password. Takes a tenth of a second, whoever is asked about.

    An unknown user is compared with the hash of one that exists, always the same one: the time that
    takes says no more than a wrong password does, also where users have hashes of different costs.
    ``secret`` keeps outsiders from knowing whose.
    """
    known = users.get(user)
    against = known or _somebody(users, user, secret)
    return bcrypt.checkpw(password[:_LONGEST], against) and known is not None


def _somebody(users: Mapping[str, bytes], user: str, secret: bytes) -> bytes:
    if not users:
        return _UNKNOWN_USER_HASH
    number = int.from_bytes(
        hmac.digest(secret, user.encode("utf-8", "surrogateescape"), hashlib.sha256)[:8]
    )
    return list(users.values())[number % len(users)]


def read_htpasswd(text: str) -> dict[str, bytes]:
    """The users of an htpasswd file and the hashes of their passwords.

    Raises InvalidInput for a line that is none, or another scheme than bcrypt.
    """
    users: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        user, colon, hashed = line.strip().partition(":")
        if not colon or not user:
            raise InvalidInput(
                f"line {number} is no user:hash", hint="make one with `htpasswd -nB USER`"
            )
        if not hashed.startswith(_SCHEMES) or not _is_hash(hashed.encode()):
            raise InvalidInput(
                f"line {number}: the password of {user!r} is not hashed with bcrypt",
                hint="make it anew with `htpasswd -nB USER`",
            )
        users[user] = hashed.encode()
    return users


def _is_hash(hashed: bytes) -> bool:
    """Whether bcrypt takes it.

    With a cost that is more than patience allows it is not even tried.
    """
    cost = hashed[4:6]
    if len(hashed) != 60 or not cost.isdigit() or not 4 <= int(cost) <= 16:  # noqa: PLR2004 - bcrypt's text has 60 characters; 2**16 rounds take seconds
        return False
    try:
        bcrypt.hashpw(b"", b"$2b$04$" + hashed[7:29])
    except ValueError:
        return False
    return True
