"""Names of users and groups, and the members of a group."""

from __future__ import annotations

from typing import Final

_ROOT_USER: Final = 0


def user_name(uid: int) -> str:
    """Return the name of a user, or the number if the system does not know the user."""
    import pwd  # noqa: PLC0415 - only for messages

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_private_group(gid: int, uid: int) -> bool:
    """Return whether a group has no members except root and one user.

    Many systems give each user a group of their own, and let this group write by default.

    Args:
        gid: The group.
        uid: The user who may be in the group.
    """
    import grp  # noqa: PLC0415 - only if a group may write to a folder
    import pwd  # noqa: PLC0415

    try:
        members = set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        members = set()
    return members <= {user_name(uid), user_name(_ROOT_USER)} and all(
        one.pw_uid in (uid, _ROOT_USER) for one in pwd.getpwall() if one.pw_gid == gid
    )
