"""``mirror-config``: configuration that makes clients use this mirror."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from storectl.system.addresses import is_registry, is_server
from storectl.system.parameters import FilePath
from storectl.verb import Verb

if TYPE_CHECKING:
    from storectl.client_config.mirror import Configuration, Login, Mirror, Version
    from storectl.settings import Settings

CLIENTS: Final = (
    "docker",
    "containerd",
    "podman",
    "buildah",
    "skopeo",
    "cri-o",
    "k3s",
    "rke2",
    "buildkit",
    "openshift",
)
_VERSIONED: Final = ("docker", "containerd")
_VERSION: Final = re.compile(r"v?([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:[.+~-].{0,80})?")
_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----"
)
_MAX_CERTIFICATES_BYTES: Final = 1 << 20
_MAX_PASSWORD: Final = 1024


@click.command(
    "mirror-config",
    cls=Verb,
    examples=(
        "storectl mirror-config podman mirror.example:5000",
        "storectl mirror-config containerd https://mirror.example --upstream quay.io --write /",
        "storectl mirror-config k3s mirror.example --ca ca.pem --user node --password-stdin <word",
    ),
)
@click.option(
    "--upstream",
    "upstreams",
    metavar="DOMAIN",
    multiple=True,
    help="Registry to mirror (repeatable).  [default: docker.io]",
)
@click.option(
    "--client-version",
    metavar="VERSION",
    help="Version of docker or containerd, for settings that older versions refuse.",
)
@click.option("--sealed", is_flag=True, help="Never let the client ask the registries themselves.")
@click.option(
    "--ca",
    metavar="FILE",
    type=FilePath(exists=True, path_type=Path),
    help="Certificates (PEM) that prove the mirror's certificate.",
)
@click.option("--user", metavar="NAME", help="User with which the client logs in.")
@click.option("--password-stdin", is_flag=True, help="Read the user's password from stdin.")
@click.option(
    "--write",
    "folder",
    metavar="DIR",
    type=FilePath(folder=True, path_type=Path),
    help="Write all files to their places below DIR.",
)
@click.option("--force", is_flag=True, help="Replace files with other content.")
@click.argument("client", type=click.Choice(CLIENTS), metavar="CLIENT")
@click.argument("mirror", default="http://127.0.0.1:5000", metavar="[URL]")
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    client: str,
    mirror: str,
    upstreams: tuple[str, ...],
    client_version: str | None,
    sealed: bool,
    ca: Path | None,
    user: str | None,
    password_stdin: bool,
    folder: Path | None,
    force: bool,
) -> None:
    """Print client configuration that asks the mirror at URL first.

    CLIENT is docker, containerd, podman, buildah, skopeo, cri-o, k3s, rke2, buildkit or openshift.
    The configuration file is printed on standard output; its place, and what else there is to do,
    on standard error. With --write, all files are written, with their certificates and passwords. A
    file that storectl did not write is never replaced without --force. A URL without a scheme means
    https.
    """
    from storectl.client_config import mirror as model  # noqa: PLC0415 - `--help` does without

    url = mirror.rstrip("/") if "://" in mirror else f"https://{mirror.rstrip('/')}"
    if not is_server(url):
        raise click.UsageError(f"invalid URL {mirror!r}: expected http[s]://HOST[:PORT]")
    for one in upstreams:
        if not is_registry(one) or one != one.lower():
            raise click.UsageError(
                f"invalid --upstream {one!r}: expected the name of a registry in lower case"
            )
    if force and folder is None:
        raise click.UsageError("--force needs --write")
    if ca is not None and url.startswith("http:"):
        raise click.UsageError("--ca needs a URL with https")
    asked = model.Mirror(
        url=url,
        upstreams=tuple(dict.fromkeys(upstreams)) or (model.DOCKER_HUB,),
        is_sealed=sealed,
        version=_version(client, client_version),
        authority=None if ca is None else _certificates(ca),
        login=_login(user, password_stdin=password_stdin),
    )
    found = _configuration(client, asked)
    written: list[Path] = []
    if folder is not None:
        from storectl.client_config.writing import write  # noqa: PLC0415 - `--help` does without

        written = write(found.files, folder, force=force, lock_timeout_s=settings.lock_timeout_s)
    _report(found, written, client)


def _configuration(client: str, asked: Mirror) -> Configuration:
    from storectl.client_config.buildkit import buildkit  # noqa: PLC0415 - `--help` does without
    from storectl.client_config.containerd import containerd  # noqa: PLC0415
    from storectl.client_config.docker import docker  # noqa: PLC0415
    from storectl.client_config.mirror import Unsupported  # noqa: PLC0415
    from storectl.client_config.openshift import openshift  # noqa: PLC0415
    from storectl.client_config.rancher import k3s, rke2  # noqa: PLC0415
    from storectl.client_config.registries_conf import crio, podman  # noqa: PLC0415

    writers = {
        "docker": docker,
        "containerd": containerd,
        # The three read the same files.
        **dict.fromkeys(("podman", "buildah", "skopeo"), podman),
        "cri-o": crio,
        "k3s": k3s,
        "rke2": rke2,
        "buildkit": buildkit,
        "openshift": openshift,
    }
    try:
        return writers[client](asked)
    except Unsupported as error:
        raise click.UsageError(f"cannot configure {client}: {error}") from None


def _report(found: Configuration, written: list[Path], client: str) -> None:
    """Print the paths of the files that were written, or the main file if none was."""
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if written:
        for path in written:
            render.line(str(path))
    else:
        main, *others = (one for one in found.files if one.is_main)
        if others:
            raise click.UsageError(
                f"{client} has a file for each registry: give --write DIR, or one --upstream"
            )
        render.write(main.text.removesuffix("\n"))
        render.line(f"place: {main.path}" + (" (mode 0600)" if main.is_secret else ""), err=True)
        for one in found.files:
            if one is not main:
                _describe(one.path, "" if one.is_secret else one.text)
    for note in found.notes:
        render.line(f"note: {note}", err=True)


def _describe(path: str, text: str) -> None:
    """Print a file that supports the main file on standard error."""
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if not text:
        render.line(f"also: {path} with the login; --write writes it (mode 0600)", err=True)
    elif "BEGIN CERTIFICATE" in text:
        render.line(f"also: {path} with the certificates of --ca", err=True)
    else:
        render.line(f"also: {path} with", err=True)
        for line in text.splitlines():
            render.line(f"  {line}", err=True)


def _version(client: str, text: str | None) -> Version | None:
    if text is None:
        return None
    if client not in _VERSIONED:
        raise click.UsageError(
            f"--client-version is for {' and '.join(_VERSIONED)}: all versions of {client} have the"
            " same configuration"
        )
    match = _VERSION.fullmatch(text)
    if match is None:
        raise click.UsageError(f"invalid --client-version {text!r}: expected MAJOR[.MINOR]")
    return int(match[1]), int(match[2] or 0)


def _certificates(path: Path) -> str:
    """Return the certificates of a PEM file, without the text between them."""
    from store.errors import InvalidInput, printable  # noqa: PLC0415 - `--help` does without
    from store.files.os_errors import Whose, translated  # noqa: PLC0415

    with translated(path, whose=Whose.INPUT), path.open("rb") as file:
        content = file.read(_MAX_CERTIFICATES_BYTES + 1)
    found = _CERTIFICATE.findall(content.decode("ascii", "replace"))
    if not found or len(content) > _MAX_CERTIFICATES_BYTES:
        raise InvalidInput(
            f"invalid certificates {printable(str(path))}: expected a PEM file of at most"
            f" {_MAX_CERTIFICATES_BYTES} bytes with a certificate"
        )
    return "".join(f"{one}\n" for one in found)


def _login(user: str | None, *, password_stdin: bool) -> Login | None:
    from storectl.client_config.mirror import Login  # noqa: PLC0415 - `--help` does without

    if user is None:
        if password_stdin:
            raise click.UsageError("--password-stdin needs --user")
        return None
    if not user or ":" in user or not user.isprintable():
        raise click.UsageError(f"invalid --user {user!r}: expected a name without a colon")
    if password_stdin:
        password = sys.stdin.readline(_MAX_PASSWORD + 2).rstrip("\r\n") if sys.stdin else ""
    elif sys.stdin is not None and sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, err=True)
    else:
        raise click.UsageError(
            "--user needs --password-stdin, or a terminal to ask for the password"
        )
    if not password or len(password) > _MAX_PASSWORD or not password.isprintable():
        raise click.UsageError(
            f"invalid password: expected 1 to {_MAX_PASSWORD} characters without control characters"
        )
    return Login(user, password)
