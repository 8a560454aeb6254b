"""A file of rules: which users may do what in which repositories.

Rules only allow: what no rule allows is refused, and their order means nothing.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, final

from store.errors import InvalidInput, printable
from store.formats.distribution.names import BY_ID
from store.model.references import DEFAULT_DOMAIN, OFFICIAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from store.model.references import Repository


class Action(StrEnum):
    """What a request does."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


ALL_CALLERS: Final = "@all"
"""The group of everybody, also of those who say no name."""

ALL_USERS: Final = "@users"
"""The group of everybody who has proved a name."""

_HINT: Final = "docs/mirror.md shows a file of rules"
_PART: Final = re.compile(r"[a-zA-Z0-9*][a-zA-Z0-9*._:-]*")
_TOKEN: Final = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})")


@final
@dataclass(frozen=True, slots=True)
class Pattern:
    """Names of repositories, where ``*`` stands for any part of a name's part and ``**`` for any parts."""

    text: str
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str, default_domain: str = DEFAULT_DOMAIN) -> Pattern:
        """Read a pattern.

        A first part that is no registry's name means one of ``default_domain``, as in a name.
        Raises InvalidInput.
        """
        parts = text.split("/")
        if text not in ("**", str(BY_ID)):
            if not all(
                _PART.fullmatch(part) and ("**" not in part or part == "**") for part in parts
            ):
                raise InvalidInput(
                    f"{printable(text)!r} is no pattern of repositories",
                    hint="for example team/**, registry.example.com/app-*, or ** for all",
                )
            if text == "*":
                raise InvalidInput(
                    "the pattern '*' would mean official images only",
                    hint=f"write ** for all repositories, or {OFFICIAL}/* for those",
                )
            first = parts[0]
            has_domain = len(parts) > 1 and (
                "." in first or ":" in first or first in ("localhost", "**")
            )
            if not has_domain:
                parts = [
                    default_domain,
                    *([OFFICIAL] if len(parts) == 1 and default_domain == DEFAULT_DOMAIN else []),
                    *parts,
                ]
        return cls(
            text,
            re.compile(
                "/".join(
                    ".+" if part == "**" else re.escape(part).replace(r"\*", "[^/]*")
                    for part in parts
                )
            ),
        )

    def fits(self, name: str) -> bool:
        """Whether a full name is meant."""
        return self._regex.fullmatch(name) is not None


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """Everybody in ``who`` may do ``allow`` in repositories that fit one of the patterns."""

    repositories: tuple[Pattern, ...]
    who: frozenset[str]
    allow: frozenset[Action]

    def covers(self, callers: frozenset[str], action: Action, name: str) -> bool:
        """Whether it allows this to somebody who goes by the names and groups ``callers``."""
        return (
            action in self.allow
            and not self.who.isdisjoint(callers)
            and any(pattern.fits(name) for pattern in self.repositories)
        )


@final
@dataclass(frozen=True, slots=True)
class Rules:
    """A file of rules.

    ``tokens`` has the SHA-256 (hexadecimal) of each token by the name it goes by, ``certificates``
    users by the common name in theirs.
    """

    rules: tuple[Rule, ...] = ()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)

    def allow(self, user: str | None, action: Action, repository: Repository) -> bool:
        """Whether some rule allows it; ``user`` is None for anybody."""
        callers = self._names(user)
        name = str(repository)
        return any(rule.covers(callers, action, name) for rule in self.rules)

    def allow_everywhere(self, user: str | None, action: Action) -> bool:
        """Whether one rule allows it in all repositories."""
        callers = self._names(user)
        return any(
            action in rule.allow
            and not rule.who.isdisjoint(callers)
            and any(pattern.text == "**" for pattern in rule.repositories)
            for rule in self.rules
        )

    def allow_somewhere(self, user: str | None, action: Action) -> bool:
        """Whether some rule allows it in some repository."""
        callers = self._names(user)
        return any(action in rule.allow and not rule.who.isdisjoint(callers) for rule in self.rules)

    def _names(self, user: str | None) -> frozenset[str]:
        if user is None:
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
    """Read a file of rules (TOML). Raises InvalidInput that says where."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise InvalidInput(f"the rules are no TOML: {exc}", hint=_HINT) from exc
    _known(document, ("groups", "tokens", "certificates", "rule"), "the rules")
    groups = {
        name: frozenset(_texts(members, f"groups.{name}"))
        for name, members in _table(document.get("groups", {}), "groups").items()
    }
    for name in groups:
        if f"@{name}" in (ALL_CALLERS, ALL_USERS):
            raise InvalidInput(f"groups.{name}: @{name} has a meaning of its own", hint=_HINT)
    tokens = {
        name: _token(value, f"tokens.{name}")
        for name, value in _table(document.get("tokens", {}), "tokens").items()
    }
    certificates = {
        name: _text(value, f"certificates.{name}")
        for name, value in _table(document.get("certificates", {}), "certificates").items()
    }
    listed = document.get("rule", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InvalidInput("rule has to be written [[rule]]", hint=_HINT)
    rules = tuple(
        _rule(one, f"rule {number}", groups, default_domain)
        for number, one in enumerate(listed, start=1)
    )
    return Rules(rules, groups, tokens, certificates)


def _rule(
    members: Mapping[str, Any], where: str, groups: Mapping[str, object], default_domain: str
) -> Rule:
    _known(members, ("repositories", "who", "allow"), where)
    who = frozenset(_texts(members.get("who"), f"{where}: who"))
    for name in who:
        if name.startswith("@") and name not in (ALL_CALLERS, ALL_USERS) and name[1:] not in groups:
            raise InvalidInput(f"{where}: there is no group {printable(name)}", hint=_HINT)
    actions = []
    for word in _texts(members.get("allow"), f"{where}: allow"):
        if word not in set(Action):
            raise InvalidInput(
                f"{where}: {printable(word)!r} is none of {', '.join(Action)}", hint=_HINT
            )
        actions.append(Action(word))
    try:
        patterns = tuple(
            Pattern.parse(one, default_domain)
            for one in _texts(members.get("repositories"), f"{where}: repositories")
        )
    except InvalidInput as exc:
        raise InvalidInput(f"{where}: {exc.message}", hint=exc.hint) from None
    return Rule(patterns, who, frozenset(actions))


def _token(value: object, where: str) -> str:
    match = _TOKEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidInput(f"{where} is no sha256:HEX", hint="printf %s TOKEN | sha256sum")
    return match["hex"]


def _known(members: Mapping[str, object], known: Iterable[str], where: str) -> None:
    for name in members:
        if name not in known:
            raise InvalidInput(
                f"{where}: nobody knows {printable(name)!r}; expected {', '.join(known)}",
                hint=_HINT,
            )


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} is no table", hint=_HINT)
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where} is no name of a user", hint=_HINT)
    return value


def _texts(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise InvalidInput(f"{where} is no list of texts", hint=_HINT)
    return value
