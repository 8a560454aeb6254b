"""The options of `serve` for upstream registries, whose images the mirror pulls through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import click

from storectl.commands._ceilings import Size
from storectl.commands._remote import RemoteOptions
from storectl.commands._scrub_options import Age
from storectl.commands._upstream_table import UpstreamTable, UpstreamValue
from storectl.system.addresses import in_url
from storectl.system.parameters import FilePath
from storectl.verb import SectionOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from remote.auth.credentials import CredentialSource
    from remote.configuration.settings import ConfiguredRegistries
    from remote.http.settings import RegistrySettingsSource
    from remote.through.upstreams import Upstreams
    from storectl.commands._upstream_opening import Configuration
    from storectl.settings import Settings

    Result = TypeVar("Result")

MIN_CACHE_AGE: Final = timedelta(minutes=1)
"""The shortest time after which a server removes tags that nobody uses."""

_SECTION: Final = "Upstream"
_RETRIES: Final = 1
"""A client waits meanwhile, and often the store has an answer."""

_MAX_WAIT_S: Final = 1.0
"""The longest pause before a retry; a longer one is remembered, and clients are told of it."""

_CONNECT_TIMEOUT_S: Final = 10.0
"""Clients that get no answer for longer often give up."""


@final
@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """The upstream registries of a server.

    Attributes:
        names: The values of ``--upstream``, or the tables of the settings file.
        is_offline: Whether no request is sent to them.
        max_age: How long a tag is answered without a request.
        authfile: The one file with credentials to read; None for the usual ones.
        cert_dir: The one folder with certificates to read; None for the usual ones.
        flags: The options that stand on the command line, which win over those of the tables.
    """

    names: tuple[str | UpstreamTable, ...] = ()
    is_offline: bool = False
    max_age: timedelta = timedelta(minutes=1)
    authfile: Path | None = None
    cert_dir: Path | None = None
    flags: frozenset[str] = frozenset()

    def check(self, *, read_only: bool, has_syncs: bool = False) -> None:
        """Refuse options that need each other, or that exclude each other.

        Args:
            read_only: Whether the server stores nothing.
            has_syncs: Whether the server runs syncs, which need no ``--upstream``.

        Raises:
            click.UsageError: The options contradict each other.
        """
        if not self.names:
            for option, is_given in (
                ("--offline", self.is_offline and not has_syncs),
                ("--upstream-authfile", self.authfile is not None),
                ("--upstream-cert-dir", self.cert_dir is not None),
            ):
                if is_given:
                    raise click.UsageError(f"{option} needs --upstream")
        elif read_only:
            raise click.UsageError(
                "--upstream and --read-only exclude each other: what clients pull from an upstream"
                " registry is stored"
            )

    def configuration(self, settings: Settings, *, is_shared: bool) -> Configuration | None:
        """Return the upstream registries and how they are reached; None if there are none.

        Args:
            settings: The settings of the run.
            is_shared: Whether clients of other machines reach the server without users and rules.
                Then the credentials of this machine are not used.

        Raises:
            click.UsageError: An upstream is invalid, or there are credentials that every client
                could use.
            StoreError: A file with settings is not valid.
        """
        if not self.names:
            return None
        from remote.http.budgets import Budgets  # noqa: PLC0415 - `--help` does without
        from storectl.commands._upstream_opening import Configuration  # noqa: PLC0415 - `--help`

        remote = RemoteOptions(authfile=self.authfile, cert_dir=self.cert_dir, retries=_RETRIES)
        registries = remote.registries(settings)
        upstreams, found = self._upstreams(settings, registries)
        credentials = upstreams.credentials(remote.credentials(settings))
        if is_shared:
            credentials = self._no_credentials(upstreams, found, credentials)
        client = replace(
            remote.client_settings(settings),
            is_offline=self.is_offline,
            budgets=Budgets(now=settings.now),
            max_wait_s=_MAX_WAIT_S,
            connect_timeout_s=_CONNECT_TIMEOUT_S,
        )
        return Configuration(upstreams, client, credentials, found, self.max_age)

    def _upstreams(
        self, settings: Settings, registries: ConfiguredRegistries
    ) -> tuple[Upstreams, RegistrySettingsSource]:
        """Return the upstreams, and the settings of all registries."""
        from remote.through.upstreams import Upstream, Upstreams  # noqa: PLC0415 - `--help` without
        from store.errors import InvalidInput  # noqa: PLC0415

        try:
            upstreams = Upstreams(
                [
                    Upstream.parse(one)
                    if isinstance(one, str)
                    else self._without_flags(one).upstream(settings)
                    for one in self.names
                ],
                registries.conf,
            )
            return upstreams, upstreams.settings(registries)
        except InvalidInput as exc:
            hint = f"; {exc.hint}" if exc.hint else ""
            raise click.UsageError(f"--upstream: {exc.message}{hint}") from None

    def _without_flags(self, table: UpstreamTable) -> UpstreamTable:
        """Return a table without the values for which the command line has an option."""
        if "upstream_max_age" in self.flags:
            table = replace(table, max_age=None)
        if "upstream_authfile" in self.flags:
            table = replace(table, authfile=None, username=None, password_file=None)
        if "upstream_cert_dir" in self.flags:
            table = replace(table, ca=None, cert_dir=None)
        return table

    def _no_credentials(
        self, upstreams: Upstreams, registries: RegistrySettingsSource, found: CredentialSource
    ) -> CredentialSource:
        from remote.auth.credentials import NoCredentials  # noqa: PLC0415 - `--help` without

        for one in upstreams:
            if (
                self.authfile is not None
                or one.credentials is not None
                or found.credentials_for(one.registry, one.prefix) is not None
                or registries.settings_for(one.registry).client_certificates
            ):
                raise click.UsageError(
                    f"there are credentials for {one.registry}, and clients of other machines could"
                    " use them without logging in: give --htpasswd or --rules, or listen on a"
                    " loopback address"
                )
        # Credentials that are stored later are not used either.
        return NoCredentials()


def is_shared(address: str, *, url: str | None, has_proxies: bool, has_logins: bool) -> bool:
    """Return whether clients of other machines reach a server without logging in.

    Args:
        address: The host of ``--listen``; empty for every address.
        url: The value of ``--url``.
        has_proxies: Whether the server trusts proxies.
        has_logins: Whether there are users or rules.
    """
    from mirror.origin.hosts import Host, serves_this_machine_only  # noqa: PLC0415 - `--help`

    host = Host.parse(in_url(address)) if address else None
    # A name such as localhost counts as its address.
    where = "127.0.0.1" if host is not None and host.is_loopback else address
    return not has_logins and not serves_this_machine_only(where, url=url, has_proxies=has_proxies)


def upstream_options(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options for upstream registries; the command gets their values by name."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given_flags(ctx: click.Context) -> frozenset[str]:
    """Return the names of the values for which the command line has an option.

    Args:
        ctx: The context of the command.
    """
    return frozenset(
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    )


def _option(*names: str, **facts: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - click's signature
    return click.option(*names, cls=SectionOption, section=_SECTION, **facts)


_OPTIONS: Final = (
    _option(
        "--upstream",
        "upstreams",
        metavar="NAME[=URL]",
        multiple=True,
        type=UpstreamValue(),
        help=(
            "Fetch images of this registry that clients ask for and the store lacks, and keep them"
            " (repeatable). URL is another registry that has them."
        ),
    ),
    _option(
        "--upstream-max-age",
        type=Age(),
        metavar="AGE",
        default="1m",
        show_default=True,
        help="Answer a tag for this long without asking the upstream registry again.",
    ),
    _option(
        "--upstream-authfile",
        type=FilePath(path_type=Path),
        metavar="FILE",
        help="Use only this file for credentials of upstream registries.",
    ),
    _option(
        "--upstream-cert-dir",
        type=FilePath(folder=True, path_type=Path),
        metavar="DIR",
        help="Use only the certificates in this folder for upstream registries.",
    ),
    _option(
        "--cache-age",
        type=Age(MIN_CACHE_AGE),
        metavar="AGE",
        help=(
            "Remove tags that were pulled through and that clients have not used for this time,"
            " such as 720h, with their images; 0 never."
        ),
    ),
    _option(
        "--cache-size",
        type=Size(),
        metavar="SIZE",
        help=(
            "Keep this much of what was pulled through, such as 50GB, and remove the tags that"
            " clients have not used for longest."
        ),
    ),
    _option(
        "--offline",
        is_flag=True,
        help="Send nothing to upstream registries; answer with what is stored.",
    ),
)
