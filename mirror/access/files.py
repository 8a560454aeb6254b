"""The files that hold the users and the access rules."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, final

from mirror.access.passwords import read_htpasswd
from mirror.access.policy import Access
from mirror.access.rules import read_rules
from store.errors import InvalidInput
from store.files.input_modes import require_secret, require_unwritable
from store.files.text_files import read_text_file
from store.model.references import DEFAULT_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class AccessFiles:
    """The files of users and access rules, with the access settings of the command line.

    Args:
        htpasswd: The file of users; None if there are no users.
        rules: The file of rules; None if there are no rules.
        anonymous_read: Whether anonymous callers may read.
        read_only: Whether every change is refused.
        default_domain: The registry of a pattern that names none.
        anonymous_write: Whether every caller may write and delete if there are neither users nor
            rules.
    """

    htpasswd: Path | None = None
    rules: Path | None = None
    anonymous_read: bool = True
    read_only: bool = False
    default_domain: str = DEFAULT_DOMAIN
    anonymous_write: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files to watch for changes."""
        return tuple(path for path in (self.htpasswd, self.rules) if path is not None)

    @property
    def has_logins(self) -> bool:
        """Whether there are users or rules, so that callers can log in."""
        return self.htpasswd is not None or self.rules is not None

    def load(self) -> Access:
        """Read the files.

        Raises:
            InvalidInput: A file is missing or invalid; the message names it.
            PermissionDenied: A file may not be read, or other users may write to it.
            Unavailable: A file cannot be read.
        """
        users = {} if self.htpasswd is None else _read(self.htpasswd, read_htpasswd)
        rules = (
            None
            if self.rules is None
            else _read(self.rules, lambda text: read_rules(text, self.default_domain))
        )
        # Invalid files are reported before their modes.
        if self.htpasswd is not None:
            require_secret(self.htpasswd)
            if not users:
                logger.warning("%s has no users: nobody can log in with a password", self.htpasswd)
        if self.rules is not None:
            require_unwritable(self.rules)
            if rules is not None and not rules.rules:
                logger.warning("%s has no rules: nobody may read or write", self.rules)
        return Access(
            users,
            anonymous_read=self.anonymous_read,
            read_only=self.read_only,
            rules=rules,
            has_users=self.htpasswd is not None,
            anonymous_write=self.anonymous_write,
        )


def _read(path: Path, read: Callable[[str], T]) -> T:
    text = read_text_file(path)
    try:
        return read(text)
    except InvalidInput as exc:
        raise InvalidInput(f"{path}: {exc.message}", hint=exc.hint, remedy=exc.remedy) from None
