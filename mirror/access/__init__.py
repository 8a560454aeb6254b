"""Who is asking, and what they may do."""

from mirror.access.authenticator import Authenticator, Refused
from mirror.access.files import AccessFiles
from mirror.access.passwords import read_htpasswd
from mirror.access.policy import ANYBODY, Access, Action, Caller
from mirror.access.rules import Rules, read_rules
from mirror.access.throttle import Failures

__all__ = [
    "ANYBODY",
    "Access",
    "AccessFiles",
    "Action",
    "Authenticator",
    "Caller",
    "Failures",
    "Refused",
    "Rules",
    "read_htpasswd",
    "read_rules",
]
