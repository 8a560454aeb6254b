"""Authentication finds the caller of a request; authorisation decides what the caller may do."""

from mirror.access.authenticator import AuthenticationFailed, Authenticator
from mirror.access.files import AccessFiles
from mirror.access.passwords import read_htpasswd
from mirror.access.policy import ANONYMOUS, Access, Action, Caller
from mirror.access.rules import Rules, read_rules
from mirror.access.throttle import LoginHistory

__all__ = [
    "ANONYMOUS",
    "Access",
    "AccessFiles",
    "Action",
    "AuthenticationFailed",
    "Authenticator",
    "Caller",
    "LoginHistory",
    "Rules",
    "read_htpasswd",
    "read_rules",
]
