"""Users, rules and credentials of a registry."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import bcrypt

from mirror.access.authenticator import Password

if TYPE_CHECKING:
    from mirror.access import Authenticator, Caller

USERS = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4))}

TOKEN = "7f1c2e9a40b5d6838e21"  # noqa: S105 - only tests know it
"""The permanent token of the user ``ci``."""

RULES = """
[groups]
builders = ["ci"]

[tokens]
ci = "sha256:HASH"

[certificates]
"robot.example" = "robot"

[[rule]]
repositories = ["team/**", "quay.io/*/tool-*"]
who = ["@builders"]
allow = ["read", "write"]

[[rule]]
repositories = ["debian"]
who = ["@all"]
allow = ["read"]

[[rule]]
repositories = ["**"]
who = ["root"]
allow = ["read", "delete"]
""".replace("HASH", hashlib.sha256(TOKEN.encode()).hexdigest())


def basic(user: str, password: str) -> str:
    """Return an ``Authorization`` value with basic authentication for a user and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def log_in(
    authenticator: Authenticator,
    authorization: str | None,
    address: str = "10.0.0.1",
    certificate: str | None = None,
) -> Caller:
    """Return the caller that the credentials prove, comparing a password if needed."""
    found = authenticator.authenticate(authorization, address=address, certificate=certificate)
    return (
        authenticator.check_password(found, address=address)
        if isinstance(found, Password)
        else found
    )
