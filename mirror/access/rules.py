"""The file of rules: the actions that each user may do in each repository.

Rules only allow. An action that no rule allows is refused, and the order of rules does not matter.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, final

from mirror.access.pattern import Pattern
from mirror.access.user_names import check_user_name
from mirror.access.weak_tokens import weak_hash
from store.errors import InvalidInput, printable
from store.model.references import DEFAULT_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from store.model.references import Repository


class Action(StrEnum):
    """The kinds of access that rules allow."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


ALL_CALLERS: Final = "@all"
"""The group of all callers, with and without a name."""

ALL_USERS: Final = "@users"
"""The group of all callers with a name."""

_HINT: Final = (
    'a rule has this form: [[rule]], and below it repositories = ["team/**"], who = ["alice"],'
    ' allow = ["read", "write"], each on a line of its own'
)
_TOKEN: Final = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})")


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: callers in ``who`` may do the actions in ``allow`` in matching repositories.

    Args:
        repositories: The patterns; a repository has to match at least one.
        who: The names of users, and groups with a leading ``@``.
        allow: The allowed actions.
    """

    repositories: tuple[Pattern, ...]
    who: frozenset[str]
    allow: frozenset[Action]

    def covers(self, callers: frozenset[str], action: Action, name: str) -> bool:
        """Return whether the rule allows an action.

        Args:
            callers: The caller's name and groups.
            action: The action to allow.
            name: The full name of the repository.
        """
        return (
            action in self.allow
            and not self.who.isdisjoint(callers)
            and any(pattern.matches(name) for pattern in self.repositories)
        )


@final
@dataclass(frozen=True, slots=True)
class Rules:
    """The contents of a file of rules.

    Args:
        rules: The rules, in the order of the file.
        groups: The users of each group, by the group's name.
        tokens: The SHA-256 of each token, in hexadecimal, by the token's name.
        certificates: The user of each client certificate, by the certificate's common name.
    """

    rules: tuple[Rule, ...] = ()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)

    def allow(self, user: str | None, action: Action, repository: Repository) -> bool:
        """Return whether a rule allows an action in a repository.

        Args:
            user: The caller's name; None for an anonymous caller.
            action: The action to allow.
            repository: The repository to which the action applies.
        """
        callers = self._names(user)
        name = str(repository)
        return any(rule.covers(callers, action, name) for rule in self.rules)

    def allow_everywhere(self, user: str | None, action: Action) -> bool:
        """Return whether a single rule allows an action in every repository.

        Args:
            user: The caller's name; None for an anonymous caller.
            action: The action to allow.
        """
        callers = self._names(user)
        return any(
            action in rule.allow
            and not rule.who.isdisjoint(callers)
            and any(pattern.text == "**" for pattern in rule.repositories)
            for rule in self.rules
        )

    def allow_somewhere(self, user: str | None, action: Action) -> bool:
        """Return whether a rule allows an action in at least one repository.

        Args:
            user: The caller's name; None for an anonymous caller.
            action: The action to allow.
        """
        callers = self._names(user)
        return any(action in rule.allow and not rule.who.isdisjoint(callers) for rule in self.rules)

    def _names(self, user: str | None) -> frozenset[str]:
        # Files with such names are refused; a name from elsewhere must not become a group either.
        if user is None or user.startswith("@"):
            return frozenset((ALL_CALLERS,))
        return frozenset(
            (
                ALL_CALLERS,
                ALL_USERS,
                user,
                *(f"@{group}" for group, members in self.groups.items() if user in members),
            )
        )


def read_rules(text: str, default_domain: str = DEFAULT_DOMAIN) -> Rules:
    """Read a file of rules.

    Args:
        text: The text of the file, in TOML.
        default_domain: The registry of patterns whose first part is not a registry.

    Raises:
        InvalidInput: The file is invalid; the message names the invalid entry.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise InvalidInput(f"invalid TOML: {exc}", hint=_HINT) from exc
    lines = text.split("\n")
    _require_known(document, ("groups", "tokens", "certificates", "rule"), "file of rules", lines)
    groups = {
        name: _group(name, members, lines)
        for name, members in _table(document.get("groups", {}), "groups").items()
    }
    tokens = {
        name: _token(name, value, lines)
        for name, value in _table(document.get("tokens", {}), "tokens").items()
    }
    certificates = {
        name: _certificate_user(name, value, lines)
        for name, value in _table(document.get("certificates", {}), "certificates").items()
    }
    listed = document.get("rule", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InvalidInput("invalid rule: expected [[rule]]", hint=_HINT)
    rules = tuple(
        _rule(one, f"rule {number}", groups, default_domain, lines)
        for number, one in enumerate(listed, start=1)
    )
    return Rules(rules, groups, tokens, certificates)


def _rule(
    members: Mapping[str, Any],
    where: str,
    groups: Mapping[str, object],
    default_domain: str,
    lines: Sequence[str],
) -> Rule:
    _require_known(members, ("repositories", "who", "allow"), where, lines)
    who = frozenset(_texts(members.get("who"), f"{where}: who"))
    for name in who:
        if not name.startswith("@"):
            check_user_name(name, f"{where}: who{_place(lines, name)}")
        elif name not in (ALL_CALLERS, ALL_USERS) and name[1:] not in groups:
            raise InvalidInput(
                f"invalid {where}: unknown group {printable(name)!r}{_place(lines, name)}",
                hint="define the group in the table [groups], or write @all or @users",
            )
    actions = []
    for word in _texts(members.get("allow"), f"{where}: allow"):
        if word not in set(Action):
            raise InvalidInput(
                f"invalid {where}: unknown action {printable(word)!r} in allow"
                f"{_place(lines, word)}, expected {', '.join(Action)}",
                hint=_HINT,
            )
        actions.append(Action(word))
    patterns = tuple(
        _pattern(one, where, default_domain, lines)
        for one in _texts(members.get("repositories"), f"{where}: repositories")
    )
    return Rule(patterns, who, frozenset(actions))


def _pattern(text: str, where: str, default_domain: str, lines: Sequence[str]) -> Pattern:
    try:
        return Pattern.parse(text, default_domain)
    except InvalidInput as exc:
        raise InvalidInput(f"{where}{_place(lines, text)}: {exc.message}", hint=exc.hint) from None


def _group(name: str, members: object, lines: Sequence[str]) -> frozenset[str]:
    where = f"groups.{printable(name)}"
    if f"@{name}" in (ALL_CALLERS, ALL_USERS):
        raise InvalidInput(f"invalid {where}: @{name} is a built-in group", hint=_HINT)
    check_user_name(name, f"{where}{_place(lines, name)}")
    return frozenset(
        check_user_name(member, f"{where}{_place(lines, member)}")
        for member in _texts(members, where)
    )


def _certificate_user(common_name: str, value: object, lines: Sequence[str]) -> str:
    where = f"certificates.{printable(common_name)}"
    user = _text(value, where)
    return check_user_name(user, f"{where}{_place(lines, user)}")


def _token(name: str, value: object, lines: Sequence[str]) -> str:
    where = f"tokens.{printable(name)}"
    match = _TOKEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidInput(
            f"invalid {where}: expected sha256:HEX",
            hint="create the value with `printf %s TOKEN | sha256sum`",
        )
    check_user_name(name, f"{where}{_place(lines, match['hex'])}")
    fault = weak_hash(name, match["hex"])
    if fault is not None:
        raise InvalidInput(
            f"invalid {where}{_place(lines, match['hex'])}: {fault}",
            hint="create a token with `openssl rand -hex 32`",
        )
    return match["hex"]


def _place(lines: Sequence[str], text: str) -> str:
    """Return where a text stands first, such as `` in line 3, column 1``; empty if nowhere."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for quoted in (f'"{escaped}"', f"'{text}'", escaped, text):
        for number, line in enumerate(lines, start=1):
            if quoted in line and not line.lstrip().startswith("#"):
                return f" in line {number}, column {line.index(quoted) + 1}"
    return ""


def _require_known(
    members: Mapping[str, object], known: Iterable[str], where: str, lines: Sequence[str]
) -> None:
    for name in members:
        if name not in known:
            raise InvalidInput(
                f"invalid {where}: unknown key {printable(name)!r}{_place(lines, name)}, expected"
                f" {', '.join(known)}",
                hint=_HINT,
            )


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidInput(f"invalid {where}: expected a table", hint=_HINT)
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"invalid {where}: expected the name of a user", hint=_HINT)
    return value


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise InvalidInput(f"invalid {where}: expected a list of strings", hint=_HINT)
    return value
