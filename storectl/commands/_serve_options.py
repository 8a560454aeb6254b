"""The values of the options of `serve`, checked and parsed; every mistake is wrong usage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import click

from storectl.output.units import parse_age
from storectl.system.addresses import is_host, is_registry, is_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mirror.access.pattern import Pattern
    from mirror.origin.cors import SharedOrigins
    from mirror.origin.proxies import TrustedProxies

T = TypeVar("T")

MAX_KEPT_EVENTS: Final = 1_000_000
"""`store.catalog.events.MAX_EVENTS`: more would be removed by the next collection."""

MIN_SCRUB_EVERY: Final = timedelta(minutes=1)
"""The shortest time between two checks of the same content by a server."""

_MAX_AGE: Final = timedelta(days=36_500)


@final
class KeptEvents(click.ParamType[int | timedelta]):
    """How many events are kept, or for how long, such as ``100000`` or ``720h``."""

    name = "N|AGE"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | timedelta:
        """Return the number or the age that ``value`` means; an invalid value ends the command."""
        if isinstance(value, int | timedelta):
            return value
        text = str(value)
        if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_KEPT_EVENTS)):
            number = int(text)
            if number <= MAX_KEPT_EVENTS:
                return number
        try:
            age = parse_age(text)
        except ValueError:
            age = None
        if age is None or age > _MAX_AGE:
            self.fail(
                f"invalid number or age {text!r}: expected a number of events up to"
                f" {MAX_KEPT_EVENTS:,}, or an age such as 720h",
                param,
                ctx,
            )
        return age


def check_tls(certificate: Path | None, key: Path | None, clients: Path | None) -> None:
    """Raise unless the options for TLS belong together."""
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key must be given together")
    if clients is not None and certificate is None:
        raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key")


def check_permissions(
    *, has_logins: bool, no_anonymous: bool, is_open: bool, read_only: bool
) -> None:
    """Raise if options for permissions exclude each other."""
    if no_anonymous and not has_logins:
        raise click.UsageError(
            "--no-anonymous needs --htpasswd or --rules: without users no client could read"
        )
    if is_open and has_logins:
        raise click.UsageError(
            "--open excludes --htpasswd and --rules: with users or rules, --open has no effect"
        )
    if is_open and read_only:
        raise click.UsageError("--open and --read-only exclude each other")


def check_names(url: str | None, allowed_hosts: tuple[str, ...], default_domain: str) -> None:
    """Raise unless the names of hosts and registries are valid."""
    if url is not None and not is_server(url):
        raise click.UsageError(f"invalid --url {url!r}: expected http[s]://HOST[:PORT]")
    for name in allowed_hosts:
        if not is_host(name):
            raise click.UsageError(
                f"invalid --allowed-host {name!r}: expected a host name or an address, without a"
                " port"
            )
    if not is_registry(default_domain):
        raise click.UsageError(
            f"invalid --default-domain {default_domain!r}: expected the name of a registry, with a"
            " dot or a port, or localhost"
        )


def parse_proxies(texts: tuple[str, ...]) -> TrustedProxies:
    """Return the proxies of ``--trusted-proxy``."""
    from mirror.origin.proxies import TrustedProxies  # noqa: PLC0415 - `--help` does without

    return _parsed("--trusted-proxy", lambda: TrustedProxies.parse(texts))


def parse_origins(texts: tuple[str, ...]) -> SharedOrigins:
    """Return the origins of ``--cors-origin``."""
    from mirror.origin.cors import SharedOrigins  # noqa: PLC0415 - `--help` does without

    return _parsed("--cors-origin", lambda: SharedOrigins.parse(texts))


def parse_patterns(texts: tuple[str, ...], default_domain: str) -> tuple[Pattern, ...]:
    """Return the patterns of ``--record-pulls``."""
    from mirror.access.pattern import Pattern  # noqa: PLC0415 - `--help` does without

    return _parsed(
        "--record-pulls", lambda: tuple(Pattern.parse(one, default_domain) for one in texts)
    )


def _parsed(option: str, parse: Callable[[], T]) -> T:
    from store.errors import InvalidInput  # noqa: PLC0415 - `--help` does without

    try:
        return parse()
    except InvalidInput as exc:
        raise click.UsageError(f"{option}: {exc.message}; {exc.hint}") from None


def parse_address(text: str) -> tuple[str, int]:
    """Return the host, empty for every address, and the port of ``--listen``."""
    if "://" in text:
        raise click.UsageError(f"invalid --listen {text!r}: expected HOST:PORT, without a scheme")
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise click.UsageError(
            f"invalid --listen {text!r}: expected HOST:PORT, and a port up to 65535"
            + (f". For this port on all addresses, write :{text}" if text.isdigit() else "")
        )
    return host.removeprefix("[").removesuffix("]"), int(port)
