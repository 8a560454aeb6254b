"""``passwd``: users of the registry and their password hashes."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from storectl.system.parameters import FilePath
from storectl.verb import Verb, checked_by, json_option

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from storectl.settings import Settings

_MAX_INPUT_BYTES: Final = 4096
_SECRET: Final = 0o600


def _user(text: str) -> object:
    from mirror.access.user_names import check_user_name  # noqa: PLC0415 - `--help` does without
    from store.errors import InvalidInput  # noqa: PLC0415

    try:
        return check_user_name(text, "USER")
    except InvalidInput as error:
        # click names the argument.
        error.message = error.message.partition(": ")[2]
        raise


@click.command(
    "passwd",
    cls=Verb,
    examples=(
        "storectl passwd alice users",
        "pwgen 20 1 | storectl passwd --password-stdin ci users",
    ),
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.argument("user", metavar="USER", callback=checked_by(_user))
@click.argument(
    "file",
    metavar="[FILE]",
    required=False,
    type=FilePath(path_type=Path, dash=True),
)
@json_option
@click.pass_obj
def command(
    settings: Settings, *, user: str, file: Path | None, password_stdin: bool, as_json: bool
) -> None:
    """Set the password of a user in a file for `storectl serve --htpasswd`.

    The line of the user is replaced or added; the file is created if it does not exist. A running
    server reads the file again. Without FILE, or with -, the line is printed.

    The password is asked for twice on the terminal. With --password-stdin, it is read from standard
    input, without the line end.
    """
    from mirror.access.passwords import hash_password, with_user  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415

    if file is None or str(file) == "-":
        hashed = hash_password(_password(password_stdin=password_stdin))
        line = with_user("", user, hashed).rstrip("\n")
        if as_json:
            render.document({"User": user, "Line": line})
        else:
            render.line(line)
        return
    settings.refuse_own_files(file)
    # A symbolic link stays, and the file behind it is replaced.
    target = Path(os.path.realpath(file))
    # Report an invalid file before the user types a password.
    with_user(_text(target), user, _ANY_HASH)
    hashed = hash_password(_password(password_stdin=password_stdin))
    with _locked_folder(target, settings.lock_timeout_s):
        # Another run may have added a line since.
        _replace(target, with_user(_text(target), user, hashed))
    if as_json:
        render.document({"User": user, "File": str(file)})
    else:
        render.line(f"wrote the password of {user} to {file}", err=True)


_ANY_HASH: Final = "$2b$10$pqUBNxgLQUe2UU3x0OWNHu0bE5kZgqnVAZvt6v6nYBWqRt8nj1kUK"


def _password(*, password_stdin: bool) -> bytes:
    """Return the password that the user types or sends.

    Raises:
        click.UsageError: Nobody can type the password, or the two entries differ.
    """
    if password_stdin:
        data = b"" if sys.stdin is None else sys.stdin.buffer.read(_MAX_INPUT_BYTES)
        return data.removesuffix(b"\n").removesuffix(b"\r")
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            "cannot ask for the password: standard input is not a terminal. Give --password-stdin"
            " to read it from standard input"
        )
    password = click.prompt("Password", hide_input=True, default="", show_default=False, err=True)
    again = click.prompt(
        "Password again", hide_input=True, default="", show_default=False, err=True
    )
    if password != again:
        raise click.UsageError("invalid password: the two entries differ")
    return str(password).encode("utf-8", "surrogateescape")


def _text(path: Path) -> str:
    from store.files.text_files import read_text_file  # noqa: PLC0415 - `--help` does without

    return read_text_file(path) if path.exists() else ""


def _locked_folder(path: Path, limit_s: float) -> AbstractContextManager[None]:
    """Return the lock under which a file is changed; none if the file's folder is missing."""
    from store.files.folder_lock import locked  # noqa: PLC0415 - `--help` does without

    # The error for a missing folder comes from writing the file.
    return locked(path.parent, limit_s=limit_s) if path.parent.is_dir() else nullcontext()


def _replace(path: Path, text: str) -> None:
    """Write the file at once, with the owner and the mode that it had."""
    from exporter.output.atomic_file import atomic_file  # noqa: PLC0415 - `--help` does without

    before = path.stat() if path.exists() else None
    with atomic_file(path) as file:
        if before is not None:
            # Only root can give a file to another user.
            with suppress(PermissionError):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
        os.fchmod(file.fileno(), _SECRET if before is None else before.st_mode & 0o777)
        file.write(text.encode())
