"""The names that users may have: a name is never a group, a pattern or two words of a log line."""

from __future__ import annotations

from typing import Final

from store.errors import InvalidInput, printable

_RESERVED: Final = frozenset({"all", "users"})
"""Names without the leading ``@`` of the built-in groups: a rule for ``all`` is a mistake."""

_MAX_CHARACTERS: Final = 255
_HINT: Final = "choose a name such as alice, ci-build or node-7.example.com"


def check_user_name(name: str, where: str) -> str:
    """Return the name of a user, unchanged.

    Args:
        name: The name.
        where: The place of the name in its file, such as ``htpasswd line 3``.

    Raises:
        InvalidInput: The name could be read as a group, as a pattern or as several words.
    """
    fact = _fault(name)
    if fact is not None:
        shown = printable(name[:_MAX_CHARACTERS])
        raise InvalidInput(f"invalid {where}: user name {shown!r} {fact}", hint=_HINT)
    return name


def _fault(name: str) -> str | None:
    faults = {
        "is empty": not name,
        f"is longer than {_MAX_CHARACTERS} characters": len(name) > _MAX_CHARACTERS,
        "begins with @, which marks a group": name.startswith("@"),
        f"is reserved, because @{name.lower()} is a built-in group": name.lower() in _RESERVED,
        "contains *: write @all for everybody, or @users for all with a login": "*" in name,
        "contains a colon, which ends the name in a login": ":" in name,
        "contains a space or a control character": (
            not name.isprintable() or any(map(str.isspace, name))
        ),
    }
    return next((fact for fact, applies in faults.items() if applies), None)
