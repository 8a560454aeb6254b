"""``login``: credentials for a registry, checked and kept where docker and podman find them."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from storectl.commands._remote_options import RemoteOptions, reaching_options
from storectl.verb import Verb, checked_by, json_option

if TYPE_CHECKING:
    from remote.auth.credentials import Credentials
    from remote.credentials.changes import Kept
    from remote.credentials.keys import Key
    from storectl.settings import Settings

_MAX_INPUT_BYTES: Final = 32_768


def _registry(text: str) -> object:
    from remote.credentials.keys import Key  # noqa: PLC0415 - `--help` does without

    return Key.parse(text)


checked_registry: Final = checked_by(_registry)


@click.command(
    "login",
    cls=Verb,
    examples=(
        "storectl login registry.example:5000",
        "storectl login -u alice docker.io",
        "pass show ci | storectl login -u ci --password-stdin registry.example:5000",
    ),
)
@click.option("-u", "--username", metavar="USER", help="Name of the user.")
@click.option(
    "-p",
    "--password",
    metavar="PASSWORD",
    help="Password or token. Other users of this machine can see it here.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@reaching_options
@click.argument("registry", metavar="REGISTRY", callback=checked_registry)
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    remote: RemoteOptions,
    registry: str,
    as_json: bool,
) -> None:
    """Log in to a registry.

    REGISTRY is HOST or HOST:PORT, as in the names of images; docker.io is Docker Hub. With the
    beginning of a repository's name after it, as in quay.io/team, the credentials are for these
    repositories alone.

    The registry is asked whether it accepts the credentials. Then they are kept where docker and
    podman find them as well: in the credential helper that config.json names, else in config.json
    itself. Without -u and a password, credentials that are kept already are checked first.
    """
    from remote.credentials.keys import Key  # noqa: PLC0415 - `--help` does without

    key = Key.parse(registry)
    if password is not None and password_stdin:
        raise click.UsageError("--password and --password-stdin exclude each other")
    if password_stdin and not username:
        raise click.UsageError("--password-stdin needs --username")
    if password is not None:
        _warn("Using --password on the command line is insecure. Use --password-stdin.")
    if username is None and password is None:
        found = _existing(settings, remote, key)
        if found is not None:
            _report(key, found.username, found.source, as_json=as_json)
            return
    user = username or _prompted("Username")
    if password_stdin:
        password = _from_standard_input()
    elif password is None:
        password = _prompted("Password", hidden=True)
    if not password:
        raise click.UsageError("invalid password: it is empty")
    kept = _log_in(settings, remote, key, user, password)
    _report(key, user, kept.source, as_json=as_json)


def _report(key: Key, username: str, source: str, *, as_json: bool) -> None:
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if as_json:
        render.document({"Registry": str(key), "Username": username, "Source": source})
    else:
        render.line("Login Succeeded")


def _log_in(
    settings: Settings, remote: RemoteOptions, key: Key, username: str, password: str
) -> Kept:
    """Check a name and a password, and keep them."""
    from remote.auth.credentials import Credentials  # noqa: PLC0415 - `--help` does without
    from remote.credentials.changes import keep, place_for  # noqa: PLC0415
    from remote.credentials.helpers import Helpers  # noqa: PLC0415

    place = place_for(key, remote.files(settings))
    _check(settings, remote, key, Credentials(username, password, source="login"))
    helpers = Helpers(settings.environment)
    kept = keep(key, username, password, place, helpers, limit_s=settings.lock_timeout_s)
    _say_where(settings, remote, key, kept)
    return kept


def _say_where(settings: Settings, remote: RemoteOptions, key: Key, kept: Kept) -> None:
    from remote.credentials.places import AUTH_VARIABLE  # noqa: PLC0415 - `--help` does without
    from storectl.output import messages  # noqa: PLC0415

    if not kept.helper:
        _warn(
            f"Your credentials are stored unencrypted in '{kept.path}'. A credential helper of"
            " docker keeps them encrypted."
        )
    variable = replace(remote.stored_credentials(settings), files=())
    if variable.credentials_for(key.registry, key.prefix) is not None:
        messages.note(
            f"{AUTH_VARIABLE} has other credentials for {key}, which come first: unset it to use"
            " the new ones"
        )


def _existing(settings: Settings, remote: RemoteOptions, key: Key) -> Credentials | None:
    """Return the credentials that are kept already if the registry accepts them, else None."""
    from remote.errors import AccessDenied  # noqa: PLC0415 - `--help` does without
    from storectl.output import messages  # noqa: PLC0415

    files = remote.files(settings)
    if files[0].is_chosen and not files[0].path.exists():
        return None
    found = remote.stored_credentials(settings).credentials_for(key.registry, key.prefix)
    if found is None:
        return None
    named = f" [Username: {found.username}]" if found.username else ""
    messages.note(f"Authenticating with existing credentials from {found.source}...{named}")
    try:
        _check(settings, remote, key, found)
    except AccessDenied as error:
        if sys.stdin is None or not sys.stdin.isatty():
            raise
        messages.note(f"{error.message}: log in again")
        return None
    return found


def _check(settings: Settings, remote: RemoteOptions, key: Key, credentials: Credentials) -> None:
    """Ask the registry whether it accepts credentials.

    Raises:
        AccessDenied: It does not.
        RegistryError: It does not answer as a registry does.
    """
    from remote.errors import AccessDenied  # noqa: PLC0415 - `--help` does without

    try:
        with replace(remote, given=credentials).connected(settings) as connection:
            connection.loop.run(connection.client.ping(key.registry))
    except AccessDenied as error:
        # The client says that it cannot reach the registry.
        error.message = f"cannot log in to {key.registry}: {error.message.partition(': ')[2]}"
        raise


def _prompted(what: str, *, hidden: bool = False) -> str:
    """Return a line that the user types; a hidden one is not shown.

    Raises:
        click.UsageError: Standard input is not a terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        option = "--password-stdin" if hidden else "--username and --password-stdin"
        raise click.UsageError(
            f"cannot ask for the {what.lower()}: standard input is not a terminal. Give {option}"
        )
    return str(click.prompt(what, hide_input=hidden, err=True))


def _from_standard_input() -> str:
    data = b"" if sys.stdin is None else sys.stdin.buffer.read(_MAX_INPUT_BYTES + 1)
    if len(data) > _MAX_INPUT_BYTES:
        raise click.UsageError(f"invalid password: it has more than {_MAX_INPUT_BYTES} bytes")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise click.UsageError("invalid password: expected UTF-8 text") from None


def _warn(text: str) -> None:
    from storectl.output import messages  # noqa: PLC0415 - only then

    messages.note(f"WARNING! {text}")
