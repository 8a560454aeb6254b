"""Passwords in an htpasswd file, hashed with bcrypt; a client cannot find out which users exist."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

import bcrypt

from mirror.access.user_names import check_user_name
from store.errors import InvalidInput
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES: Final = ("$2a$", "$2b$", "$2y$")
_OTHER_HASHES: Final = {
    "$2": "an incomplete one, or one with a cost that is not 4 to 16",
    " ": "a space and a hash",
    "$apr1$": "an MD5 hash",
    "$1$": "an MD5 hash",
    "$5$": "a SHA-256 hash",
    "$6$": "a SHA-512 hash",
    "{SHA}": "a SHA-1 hash",
    "{SSHA}": "a SHA-1 hash",
    "$y$": "a yescrypt hash",
    "$argon2": "an Argon2 hash",
    "$scrypt$": "a scrypt hash",
}
"""How other hashes begin, and what they are."""

MAX_PASSWORD_BYTES: Final = 72
"""The longest password, in bytes; bcrypt ignores all further bytes."""

_COST: Final = 10
"""The cost of new hashes: a comparison takes about a tenth of a second."""

_UNKNOWN_USER_HASH: Final = b"$2b$10$pqUBNxgLQUe2UU3x0OWNHu0bE5kZgqnVAZvt6v6nYBWqRt8nj1kUK"


def matches(users: Mapping[str, bytes], user: str, password: bytes, secret: bytes) -> bool:
    """Return whether a password is correct; a call takes a tenth of a second for any user.

    The password of an unknown user is compared with the hash of a known user, whom the unknown name
    selects. So the check of an unknown user takes as long as the check of a wrong password, even if
    the hashes have different costs.

    Args:
        users: The bcrypt hashes by user.
        user: The name that the client sent.
        password: The password that the client sent; a password of more than `MAX_PASSWORD_BYTES`
            is never correct, because bcrypt would compare only its beginning.
        secret: A key that clients do not know; with the name it selects the known user.
    """
    known = users.get(user)
    against = known or _any_hash(users, user, secret)
    is_same = bcrypt.checkpw(password[:MAX_PASSWORD_BYTES], against)
    return is_same and known is not None and len(password) <= MAX_PASSWORD_BYTES


def _any_hash(users: Mapping[str, bytes], user: str, secret: bytes) -> bytes:
    if not users:
        return _UNKNOWN_USER_HASH
    number = int.from_bytes(
        hmac.digest(secret, user.encode("utf-8", "surrogateescape"), hashlib.sha256)[:8]
    )
    return list(users.values())[number % len(users)]


def hash_password(password: bytes) -> str:
    """Return the bcrypt hash of a new password, as a line of an htpasswd file has it.

    Args:
        password: The password, of at most `MAX_PASSWORD_BYTES` bytes.

    Raises:
        InvalidInput: The password is empty, too long, or contains a zero byte or a line end.
    """
    faults = {
        "it is empty": not password,
        f"it is longer than {MAX_PASSWORD_BYTES} bytes": len(password) > MAX_PASSWORD_BYTES,
        "it contains a zero byte or a line end": any(one in password for one in b"\0\r\n"),
    }
    for fact, applies in faults.items():
        if applies:
            raise InvalidInput(f"invalid password: {fact}", hint="choose a different password")
    return bcrypt.hashpw(password, bcrypt.gensalt(_COST)).decode("ascii")


def with_user(text: str, user: str, hashed: str) -> str:
    """Return the text of an htpasswd file in which a user has a new hash.

    Args:
        text: The text of the file; other lines stay as they are.
        user: The name of the user.
        hashed: The hash of the password.

    Raises:
        InvalidInput: The file or the name of the user is invalid.
    """
    read_htpasswd(text)
    line = f"{check_user_name(user, 'argument USER')}:{hashed}"
    lines = text.splitlines()
    mine = [number for number, one in enumerate(lines) if one.strip().partition(":")[0] == user]
    if mine:
        lines[mine[0]] = line
        lines = [one for number, one in enumerate(lines) if number not in mine[1:]]
    else:
        lines.append(line)
    return "".join(f"{one}\n" for one in lines)


def read_htpasswd(text: str) -> dict[str, bytes]:
    """Return the password hashes of an htpasswd file by user.

    Args:
        text: The text of the file.

    Raises:
        InvalidInput: A line is not ``user:hash``, the hash is not a bcrypt hash, or the user's name
            could be read as a group.
    """
    users: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        user, colon, hashed = line.strip().partition(":")
        if not colon or not user:
            raise InvalidInput(
                f"invalid htpasswd line {number}: expected user:hash",
                remedy=Remedy.ADD_USER,
            )
        if not hashed.startswith(_SCHEMES) or not _is_hash(hashed.encode()):
            raise InvalidInput(
                f"invalid htpasswd line {number}: expected a bcrypt hash for {user!r},"
                f" not {_kind(hashed)}",
                remedy=Remedy.ADD_USER,
            )
        users[check_user_name(user, f"htpasswd line {number}")] = hashed.encode()
    return users


def _kind(hashed: str) -> str:
    """Return what stands in the place of a bcrypt hash, without a part of it: it is a secret."""
    return next(
        (kind for beginning, kind in _OTHER_HASHES.items() if hashed.startswith(beginning)),
        "plain text or an unknown hash",
    )


def _is_hash(hashed: bytes) -> bool:
    """Return whether bcrypt accepts a hash; a hash with an excessive cost is not tried."""
    cost = hashed[4:6]
    if len(hashed) != 60 or not cost.isdigit() or not 4 <= int(cost) <= 16:  # noqa: PLR2004 - bcrypt's text has 60 characters; 2**16 rounds take seconds
        return False
    try:
        bcrypt.hashpw(b"", b"$2b$04$" + hashed[7:29])
    except ValueError:
        return False
    return True
