"""The command that runs storectl on another machine.

The system's ``ssh`` runs it, with the configuration, keys and agent of the user. No text that the
user wrote is read as an option of ``ssh``, or as a command by the shell on the other machine.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from remote.http.far_program import FarProgram
from store.errors import InvalidInput, InvalidReference, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remote.names import HostImage

SSH_VARIABLE: Final = "STORECTL_SSH"
"""The variable that names another program than ``ssh``, with its arguments."""

_SAFE_PLACE: Final = re.compile(r"[A-Za-z0-9_\[:][A-Za-z0-9_.:%+@\[\]-]*")


def far_program(
    place: HostImage, environment: Mapping[str, str], *, is_read_only: bool
) -> FarProgram:
    """Return the program that serves a store on another machine.

    Args:
        place: The machine, and the root of the store there.
        environment: The variables of the run.
        is_read_only: Whether nothing is changed there, so that no store is created.

    Raises:
        InvalidReference: The host, the user or the root has a character that is not safe.
        InvalidInput: The variable `SSH_VARIABLE` cannot be split into words.
    """
    if not _SAFE_PLACE.fullmatch(place.destination):
        raise InvalidReference(
            f"invalid host {printable(place.destination)!r}: a character is not allowed",
            text=place.destination,
        )
    root = place.root
    if root is not None and not root.isprintable():
        raise InvalidReference(
            f"invalid root {printable(root)!r}: it has a character that is not allowed", text=root
        )
    try:
        ssh = shlex.split(environment.get(SSH_VARIABLE, "")) or ["ssh"]
    except ValueError as error:
        raise InvalidInput(f"invalid {SSH_VARIABLE}: {str(error).lower()}") from None
    words = ["storectl", *(() if root is None else ("--root", root)), "serve", "--stdio", "-q"]
    if is_read_only:
        words.append("--read-only")
    port = () if place.port is None else ("-p", str(place.port))
    # ssh joins its arguments, and the login shell on the other machine splits them again.
    return FarProgram(
        f"ssh://{place.destination}", (*ssh, "-T", *port, place.destination, shlex.join(words))
    )
