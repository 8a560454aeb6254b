"""The client of registries that the options of a command describe."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import click

from storectl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.auth.credentials import Credentials, CredentialSource
    from remote.configuration.settings import ConfiguredRegistries
    from remote.credentials.places import AuthFile
    from remote.credentials.search import StoredCredentials
    from remote.http.budgets import Budgets
    from remote.http.settings import ClientSettings
    from remote.registry.client import RegistryClient
    from remote.registry.event_loop import EventLoopThread
    from remote.registry.repository import Repository
    from store import Reference
    from storectl.settings import Settings

RETRIES: Final = 3
_MIN_CONNECTIONS: Final = 8


@final
@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How a command reaches registries.

    Attributes:
        tls_verify: Whether certificates must be trusted; None to let the files of the machine say.
        plain_http: Whether to use HTTP without TLS.
        creds: ``USER:PASSWORD``, or USER alone to ask for the password; None to search the files.
        authfile: The one file with credentials to read; None for the usual ones.
        cert_dir: The one folder with certificates to read; None for the usual ones.
        retries: How often a request is sent again after a fault that may pass.
        rate_bytes_s: The bytes per second of all transfers together; None for no limit.
        given: Credentials that take the place of ``creds``, or None.
        budgets: Remembers how many more requests registries take; None to remember nothing.
    """

    tls_verify: bool | None = None
    plain_http: bool = False
    creds: str | None = field(default=None, repr=False)
    authfile: Path | None = None
    cert_dir: Path | None = None
    retries: int = RETRIES
    rate_bytes_s: int | None = None
    given: Credentials | None = None
    budgets: Budgets | None = None

    @contextmanager
    def connected(
        self, settings: Settings, *, jobs: int = 1, registries: tuple[str, ...] = ()
    ) -> Iterator[Connection]:
        """Open a client of registries, and close it at the end of the block.

        Args:
            settings: The settings of the run.
            jobs: How many blobs are transferred at once.
            registries: The registries that get the credentials of the command line. If it is empty,
                every registry gets them.

        Raises:
            StoreError: A file with settings is not valid.
        """
        from remote.registry.event_loop import (  # noqa: PLC0415 - `--help` does without
            EventLoopThread,
        )

        with (
            EventLoopThread() as loop,
            connection_in(loop, self, settings, jobs, registries) as connection,
        ):
            yield connection

    def files(self, settings: Settings) -> tuple[AuthFile, ...]:
        """Return the files with credentials, the first one first."""
        from remote.credentials.places import auth_files  # noqa: PLC0415 - `--help` does without

        return auth_files(settings.environment, os.getuid(), self.authfile)

    def stored_credentials(self, settings: Settings) -> StoredCredentials:
        """Return the credentials that the user keeps in files and helpers."""
        from remote.credentials.helpers import Helpers  # noqa: PLC0415 - `--help` does without
        from remote.credentials.places import AUTH_VARIABLE  # noqa: PLC0415
        from remote.credentials.search import StoredCredentials  # noqa: PLC0415

        files = self.files(settings)
        # A file that was named is the only place.
        variable = "" if files[0].is_chosen else settings.environment.get(AUTH_VARIABLE, "")
        return StoredCredentials(files, Helpers(settings.environment), variable)

    def credentials(self, settings: Settings, registries: tuple[str, ...] = ()) -> CredentialSource:
        """Return the credentials for requests.

        Args:
            settings: The settings of the run.
            registries: The registries that get the credentials of the command line. If it is empty,
                every registry gets them.
        """
        from remote.credentials.search import GivenCredentials  # noqa: PLC0415

        stored = self.stored_credentials(settings)
        given = self.given or (None if self.creds is None else given_credentials(self.creds))
        return stored if given is None else GivenCredentials(given, registries, stored)

    def registries(self, settings: Settings) -> ConfiguredRegistries:
        """Return the settings of each registry, from the options and the files of the machine.

        Raises:
            StoreError: A file is not valid.
        """
        from remote.configuration.certificates import (  # noqa: PLC0415 - `--help` does without
            certificate_folders,
        )
        from remote.configuration.loading import (  # noqa: PLC0415
            read_registries,
            registries_files,
        )
        from remote.configuration.settings import ConfiguredRegistries  # noqa: PLC0415

        return ConfiguredRegistries(
            certificate_folders(settings.environment),
            read_registries(registries_files(settings.environment)),
            self.cert_dir,
            self.tls_verify,
            self.plain_http,
        )

    def client_settings(self, settings: Settings, jobs: int = 1) -> ClientSettings:
        """Return the settings that hold for all registries."""
        from remote.http.proxies import Proxies  # noqa: PLC0415 - `--help` does without
        from remote.http.settings import ClientSettings  # noqa: PLC0415

        authorities = settings.environment.get("SSL_CERT_FILE")
        return ClientSettings(
            user_agent=f"storectl/{__version__}",
            retries=self.retries,
            connections_per_host=max(_MIN_CONNECTIONS, jobs),
            rate_bytes_s=self.rate_bytes_s,
            budgets=self.budgets,
            proxies=Proxies.of_environment(settings.environment),
            ca_files=(Path(authorities),) if authorities else (),
        )


@final
@dataclass(frozen=True, slots=True)
class Connection:
    """An open client of registries.

    Attributes:
        loop: The thread in which the client runs.
        client: The client.
        configuration: The settings of each registry.
    """

    loop: EventLoopThread
    client: RegistryClient
    configuration: ConfiguredRegistries

    def repository(self, registry: str, name: str) -> Repository:
        """Return a repository. No request is sent.

        Args:
            registry: The registry as references name it.
            name: The path of the repository.

        Raises:
            InvalidReference: The registry is not a host with or without a port.
        """
        return self.client.repository(registry, name)

    def pull_repositories(self, reference: Reference) -> tuple[Repository, ...]:
        """Return the repositories to pull an image from, in order: mirrors first.

        The image has the same tag and digest in all of them. No request is sent.

        Args:
            reference: The name of the image, with a tag or a digest.

        Raises:
            RegistryBlocked: ``registries.conf`` forbids to pull the image.
            InvalidInput: ``registries.conf`` makes a name that is not valid.
        """
        from remote.configuration.pull_sources import (  # noqa: PLC0415 - `--help` does without
            pull_sources,
        )

        return tuple(
            self.repository(one.reference.repository.domain, one.reference.repository.path)
            for one in pull_sources(self.configuration.conf, reference)
        )

    def push_repository(self, reference: Reference) -> Repository:
        """Return the repository to push an image to. No request is sent.

        Args:
            reference: The name of the image there.

        Raises:
            RegistryBlocked: ``registries.conf`` forbids to push the image.
        """
        from remote.configuration.pull_sources import (  # noqa: PLC0415 - `--help` does without
            require_pushable,
        )

        require_pushable(self.configuration.conf, reference)
        return self.repository(reference.repository.domain, reference.repository.path)

    def meanings(self, text: str) -> tuple[Reference, ...]:
        """Return the images that a name in a registry may mean, each with a tag or a digest.

        Args:
            text: The name, as the user wrote it. With a transport, it means one image.

        Raises:
            InvalidReference: The name is not valid, or may mean images of several registries.
        """
        from remote.names import RegistryImage, parse_location  # noqa: PLC0415
        from remote.names.transports import split_transport  # noqa: PLC0415

        if split_transport(text)[0] is None:
            return tuple(one.with_default_tag() for one in self.named_references(text))
        location = parse_location(text)
        assert isinstance(location, RegistryImage)  # noqa: S101 - callers look at other transports
        return (location.reference.with_default_tag(),)

    def named_references(self, text: str) -> tuple[Reference, ...]:
        """Return the images that a name without a transport may mean, the first one first.

        Args:
            text: The name, as the user wrote it.

        Raises:
            InvalidReference: The name is not valid, or may mean images of several registries.
        """
        from remote.configuration.pull_sources import (  # noqa: PLC0415 - `--help` does without
            named_references,
        )

        return named_references(self.configuration.conf, text)


@final
@dataclass(frozen=True, slots=True)
class SidedOptions:
    """How a command reaches the registries of its source and of its destination."""

    source: RemoteOptions
    destination: RemoteOptions

    @contextmanager
    def connected(
        self, settings: Settings, *, jobs: int = 1
    ) -> Iterator[tuple[Connection, Connection]]:
        """Open a client for each side, in one event loop.

        Args:
            settings: The settings of the run.
            jobs: How many blobs are transferred at once.

        Raises:
            StoreError: A file with settings is not valid.
        """
        from remote.registry.event_loop import (  # noqa: PLC0415 - `--help` does without
            EventLoopThread,
        )

        with (
            EventLoopThread() as loop,
            connection_in(loop, self.source, settings, jobs) as source,
            connection_in(loop, self.destination, settings, jobs) as destination,
        ):
            yield source, destination


@contextmanager
def connection_in(
    loop: EventLoopThread,
    options: RemoteOptions,
    settings: Settings,
    jobs: int,
    registries: tuple[str, ...] = (),
) -> Iterator[Connection]:
    """Open a client that runs in a loop, and close it at the end of the block.

    Args:
        loop: Runs the requests.
        options: How registries are reached.
        settings: The settings of the run.
        jobs: How many blobs are transferred at once.
        registries: The registries that get the credentials of the command line. If it is empty,
            every registry gets them.

    Raises:
        StoreError: A file with settings is not valid.
    """
    from remote.registry.client import RegistryClient  # noqa: PLC0415 - `--help` does without

    configuration = options.registries(settings)
    credentials = options.credentials(settings, registries)

    async def opened() -> RegistryClient:
        return RegistryClient(
            options.client_settings(settings, jobs),
            credentials=credentials,
            registries=configuration,
        )

    client = loop.run(opened())
    try:
        yield Connection(loop, client, configuration)
    finally:
        loop.run(client.close())


def given_credentials(text: str) -> Credentials:
    """Return the credentials of ``--creds``; ask for a password that it lacks.

    Args:
        text: ``USER:PASSWORD`` or USER.

    Raises:
        click.UsageError: There is no user, or nobody can type the password.
    """
    from remote.auth.credentials import Credentials  # noqa: PLC0415 - `--help` does without

    username, colon, password = text.partition(":")
    if not username:
        raise click.UsageError("invalid --creds: expected USER:PASSWORD or USER")
    return Credentials(username, password if colon else ask_password(), source="--creds")


def ask_password() -> str:
    """Return the password that the user types on the terminal; the terminal does not show it.

    Raises:
        click.UsageError: Standard input is not a terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            "cannot ask for the password: standard input is not a terminal. Run `storectl login"
            " --password-stdin` first"
        )
    return str(click.prompt("Password", hide_input=True, err=True))
