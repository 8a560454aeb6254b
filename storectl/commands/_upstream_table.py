"""A table `[[upstream]]` of the settings file of `serve`: an upstream registry."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import click

from storectl.commands._scrub_options import Age
from storectl.commands._settings_file import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from remote.auth.credentials import CredentialSource
    from remote.through.upstreams import Upstream
    from storectl.settings import Settings

_MAX_PATTERNS: Final = 1000
_MAX_PASSWORD_BYTES: Final = 64 * 1024
_PATHS: Final = ("authfile", "password-file", "ca", "cert-dir")
_TEXTS: Final = ("name", "url", "username")
_LISTS: Final = ("allow", "deny", "immutable-tags")
_KEYS: Final = (*_TEXTS, *_PATHS, *_LISTS, "plain-http", "max-age")


@final
@dataclass(frozen=True, slots=True)
class UpstreamTable:
    """The values of a table.

    Attributes:
        name: The domain in the names of the images.
        url: Another registry that has them; empty for the domain itself.
        authfile: The one file with its credentials; None for the usual ones.
        username: The user; None without one.
        password_file: The file with the password of the user.
        ca: A file with further authorities to trust.
        cert_dir: The one folder with its certificates; None for the usual ones.
        plain_http: Whether to use HTTP without TLS.
        allow: The patterns of the repositories that are pulled through; empty for all.
        deny: The patterns of the repositories that are not pulled through.
        max_age: How long a tag is answered without a request; None for that of the server.
        immutable_tags: The patterns of tags that never move.
    """

    name: str
    url: str = ""
    authfile: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    ca: Path | None = None
    cert_dir: Path | None = None
    plain_http: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    max_age: timedelta | None = None
    immutable_tags: tuple[str, ...] = field(default=())

    @classmethod
    def parse(cls, table: Mapping[str, object], folder: Path) -> UpstreamTable:
        """Return the values of a table.

        Args:
            table: The table.
            folder: The folder that paths are relative to.

        Raises:
            TableError: A key or a value is not valid.
        """
        for key in table:
            if key not in _KEYS:
                raise TableError(key, f"unknown setting {key[:80]!r} of an upstream")
        if "name" not in table:
            raise TableError("", "an upstream needs a name, such as docker.io")
        values = {key: _value(key, table[key], folder) for key in table}
        if ("username" in values) != ("password-file" in values):
            key = "username" if "username" in values else "password-file"
            raise TableError(key, "username and password-file must be given together")
        if "username" in values and "authfile" in values:
            raise TableError("authfile", "authfile and username exclude each other")
        if "ca" in values and "cert-dir" in values:
            raise TableError("ca", "ca and cert-dir exclude each other: put the file into cert-dir")
        found = cls(**{key.replace("-", "_"): value for key, value in values.items()})
        found._check()
        return found

    def _check(self) -> None:
        """Raise TableError unless the values make an upstream."""
        from store.errors import StoreError  # noqa: PLC0415 - `--help` does without

        for key, check in (("url", self._parsed), ("allow", self._patterns)):
            try:
                check()
            except StoreError as exc:
                raise TableError(
                    key if key != "url" or self.url else "name",
                    f"{exc.message}; {exc.hint}" if exc.hint else exc.message,
                ) from None

    def _parsed(self) -> Upstream:
        from remote.through.upstreams import Upstream  # noqa: PLC0415 - `--help` does without

        return Upstream.parse(f"{self.name}={self.url}" if self.url else self.name)

    def _patterns(self) -> dict[str, Any]:
        from mirror.access.pattern import Pattern  # noqa: PLC0415 - `--help` does without
        from store.formats.golang.path_match import compile_pattern  # noqa: PLC0415

        return {
            "allow": tuple(Pattern.parse(one, self.name) for one in self.allow),
            "deny": tuple(Pattern.parse(one, self.name) for one in self.deny),
            "immutable_tags": tuple(map(compile_pattern, self.immutable_tags)),
        }

    def upstream(self, settings: Settings) -> Upstream:
        """Return the upstream, with its credentials and certificates.

        Args:
            settings: The settings of the run.

        Raises:
            StoreError: A file cannot be read, or is not valid.
        """
        from dataclasses import replace  # noqa: PLC0415 - `--help` does without

        from remote.configuration.certificates import certificates_in  # noqa: PLC0415
        from remote.http.settings import RegistrySettings  # noqa: PLC0415

        parsed = self._parsed()
        plain_http = self.plain_http or parsed.plain_http
        found = None
        if self.ca is not None:
            found = RegistrySettings(plain_http=plain_http, ca_files=(self.ca,))
        elif self.cert_dir is not None:
            files = certificates_in(self.cert_dir)
            found = RegistrySettings(
                plain_http=plain_http,
                ca_files=files.authorities,
                client_certificates=files.pairs,
            )
        return replace(
            parsed,
            plain_http=plain_http,
            max_age=self.max_age,
            credentials=self._credentials(settings),
            settings=found,
            **self._patterns(),
        )

    def _credentials(self, settings: Settings) -> CredentialSource | None:
        from remote.auth.credentials import Credentials, NoCredentials  # noqa: PLC0415 - `--help`
        from remote.credentials.search import GivenCredentials  # noqa: PLC0415
        from storectl.commands._remote import RemoteOptions  # noqa: PLC0415

        if self.authfile is not None:
            return RemoteOptions(authfile=self.authfile).stored_credentials(settings)
        if self.username is None or self.password_file is None:
            return None
        given = Credentials(
            self.username, _password(self.password_file), source=str(self.password_file)
        )
        return GivenCredentials(given, (), NoCredentials())


@final
class UpstreamValue(click.ParamType[str | UpstreamTable]):
    """A value ``NAME[=URL]`` of the command line, or a table of the settings file."""

    name = "NAME[=URL]"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str | UpstreamTable:
        """Return the value as it is."""
        return value if isinstance(value, UpstreamTable) else str(value)

    def from_table(self, table: Mapping[str, object], folder: Path) -> UpstreamTable:
        """Return the value of a table of the settings file.

        Raises:
            TableError: A key or a value is not valid.
        """
        return UpstreamTable.parse(table, folder)


def _value(key: str, value: object, folder: Path) -> Any:  # noqa: ANN401 - one type for each key
    if key == "plain-http":
        if not isinstance(value, bool):
            raise TableError(key, f"invalid {key}: expected true or false")
        return value
    if key in _LISTS:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise TableError(key, f"invalid {key}: expected a list of strings")
        if len(value) > _MAX_PATTERNS:
            raise TableError(
                key, f"invalid {key}: {len(value)} patterns given, at most {_MAX_PATTERNS} allowed"
            )
        return tuple(value)
    if not isinstance(value, str) or not value:
        raise TableError(key, f"invalid {key}: expected a string that is not empty")
    if key in _PATHS:
        return Path(os.path.join(folder, Path(value).expanduser()))  # noqa: PTH118 - keeps `..`
    if key == "max-age":
        try:
            return Age().convert(value, None, None)
        except click.BadParameter as error:
            raise TableError(key, f"invalid {key}: {error.message}") from None
    return value


def _password(path: Path) -> str:
    """Return the password in a file, without the end of its line.

    Raises:
        StoreError: The file cannot be read, or is not valid.
    """
    from store.errors import InvalidInput  # noqa: PLC0415 - `--help` does without
    from store.files.os_errors import Whose, translated  # noqa: PLC0415

    with translated(path, whose=Whose.INPUT), path.open("rb") as file:
        data = file.read(_MAX_PASSWORD_BYTES + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(data) > _MAX_PASSWORD_BYTES or any(char in text for char in "\r\n\0"):
        raise InvalidInput(f"invalid password file {path}: expected one line of text")
    return text
