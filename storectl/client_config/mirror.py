"""What the configuration of a client says about the mirror, and the files that it consists of."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCKER_HUB: Final = "docker.io"
Version = tuple[int, int]


@final
@dataclass(frozen=True, slots=True)
class Login:
    """The user and the password with which a client logs in to the mirror."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The credentials as HTTP's scheme Basic encodes them (RFC 7617)."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@final
@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror and its use by one client.

    Args:
        url: The address of the mirror: ``http[s]://HOST[:PORT]``.
        upstreams: The registries that the client shall ask the mirror for.
        is_sealed: Whether the client shall never ask the registries themselves.
        version: Major and minor version of the client; None for a configuration that all supported
            versions read.
        authority: The certificates that prove the mirror's certificate, in PEM; None if the client
            trusts the mirror's certificate anyway.
        login: The credentials of the client; None for an anonymous client.
    """

    url: str
    upstreams: tuple[str, ...] = (DOCKER_HUB,)
    is_sealed: bool = False
    version: Version | None = None
    authority: str | None = None
    login: Login | None = None

    @property
    def host(self) -> str:
        """The host of the mirror, with its port if the URL has one."""
        return self.url.partition("://")[2]

    @property
    def is_insecure(self) -> bool:
        """Whether the mirror has no TLS."""
        return self.url.startswith("http:")

    def is_since(self, *version: int) -> bool:
        """Return whether the client has at least this version."""
        return self.version is not None and self.version >= version


@final
@dataclass(frozen=True, slots=True)
class ClientFile:
    """A file on the machine of the client.

    Args:
        path: The absolute path of the file.
        text: The content of the file.
        is_main: Whether the file says that the client uses the mirror. The others only support it.
        is_secret: Whether only the owner may read the file.
    """

    path: str
    text: str
    is_main: bool = True
    is_secret: bool = False


@final
@dataclass(frozen=True, slots=True)
class Configuration:
    """The files of a client, and sentences about what else there is to do or to know."""

    files: tuple[ClientFile, ...]
    notes: tuple[str, ...] = ()


class Unsupported(Exception):
    """The client cannot be configured as demanded."""


def quoted(text: str) -> str:
    """Return a text as a string that TOML, YAML and JSON read alike.

    The text must not contain control characters.
    """
    return json.dumps(text, ensure_ascii=False)


def quoted_list(texts: Sequence[str]) -> str:
    """Return a list of texts on one line, for TOML."""
    return f"[{', '.join(map(quoted, texts))}]"


def joined(lines: Sequence[str]) -> str:
    """Return the text of a file with these lines."""
    return "\n".join(lines) + "\n"


def document(value: object) -> str:
    """Return the text of a JSON file."""
    return json.dumps(value, indent=2) + "\n"


def logins(path: str, mirror: Mirror) -> tuple[ClientFile, ...]:
    """Return a file with the login, as ``docker login`` and ``podman login`` write it.

    Args:
        path: The path of the file.
        mirror: The mirror that the login is for.

    Returns:
        One file, or none if the client is anonymous.
    """
    if mirror.login is None:
        return ()
    auths = {"auths": {mirror.host: {"auth": mirror.login.basic}}}
    return (ClientFile(path, document(auths), is_main=False, is_secret=True),)


def authorities(path: str, mirror: Mirror) -> tuple[ClientFile, ...]:
    """Return a file with the certificates of the mirror's authority.

    Args:
        path: The path of the file.
        mirror: The mirror whose certificate they prove.

    Returns:
        One file, or none if the client needs no certificate.
    """
    if mirror.authority is None:
        return ()
    return (ClientFile(path, mirror.authority, is_main=False),)
