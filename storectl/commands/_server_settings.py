"""The settings of a server, from the options of `serve` and from its settings file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, final

import click

from storectl.commands._programs import collection_program
from storectl.commands._serve_options import (
    check_names,
    check_permissions,
    check_tls,
    parse_address,
    parse_origins,
    parse_patterns,
    parse_proxies,
)
from storectl.commands._sync_table import scheduled
from storectl.commands._upstream_opening import UpstreamOpening
from storectl.commands._upstream_options import UpstreamOptions, is_shared
from storectl.output.exit_codes import ExitCode
from storectl.system.addresses import in_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from pathlib import Path

    from mirror.jobs.cache import CacheRules
    from mirror.jobs.syncs import SyncSchedule
    from mirror.server import ServerSettings
    from storectl.commands._sync_table import SyncTable
    from storectl.commands._upstream_table import UpstreamTable
    from storectl.settings import Settings

_LOGINS: Final = ("htpasswd", "rules", "no_anonymous")
_CERTIFICATE: Final = ("tls_cert", "tls_key", "tls_client_ca")
_UPSTREAM: Final = (
    *("upstreams", "upstream_max_age", "upstream_authfile", "upstream_cert_dir", "offline"),
    "upstream_flags",
)
_SYNCS: Final = ("syncs", "sync_every")
_CACHE: Final = ("cache_age", "cache_size")
_LIVE: Final = frozenset(
    {*_LOGINS, *_CERTIFICATE, *_UPSTREAM, *_SYNCS, *_CACHE, "log_format", "quiet"}
)
"""The options that take effect without a restart."""

_NAMES: Final = {
    "proxies": "trusted-proxy",
    "allowed_hosts": "allowed-host",
    "cors_origins": "cors-origin",
    "is_open": "open",
    "offers": "offer",
    "upstreams": "upstream",
    "syncs": "sync",
    "group": "shared",
}
"""The names of options that differ from the names of their values."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The options of `serve`, with their values."""

    listen: str
    stdio: bool
    url: str | None
    proxies: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    workers: int
    grace: int
    htpasswd: Path | None
    rules: Path | None
    no_anonymous: bool
    auth: str
    is_open: bool
    read_only: bool
    tls_cert: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    default_domain: str
    require_children: bool
    accept_missing_blobs: bool
    offers: tuple[str, ...]
    upstreams: tuple[str | UpstreamTable, ...]
    upstream_max_age: timedelta
    upstream_authfile: Path | None
    upstream_cert_dir: Path | None
    offline: bool
    cache_age: timedelta | None
    cache_size: int | None
    syncs: tuple[SyncTable, ...]
    sync_every: timedelta
    max_uploads: int
    max_layer_size: int | None
    max_ratio: int | None
    scrub_every: timedelta
    scrub_rate: int
    record_pulls: tuple[str, ...]
    keep_events: int | timedelta | None
    log_format: str | None
    quiet: bool
    group: int | None
    upstream_flags: frozenset[str] = frozenset()

    @property
    def has_logins(self) -> bool:
        """Whether there are users or rules."""
        return self.htpasswd is not None or self.rules is not None

    @property
    def upstream(self) -> UpstreamOptions:
        """The upstream registries."""
        return UpstreamOptions(
            self.upstreams,
            self.offline,
            self.upstream_max_age,
            self.upstream_authfile,
            self.upstream_cert_dir,
            self.upstream_flags,
        )

    def check(self) -> None:
        """Refuse options that exclude each other, or that need each other.

        Raises:
            click.UsageError: The options contradict each other, or a value is invalid.
        """
        if self.stdio:
            self._check_stdio()
        check_tls(self.tls_cert, self.tls_key, self.tls_client_ca)
        check_permissions(
            has_logins=self.has_logins,
            no_anonymous=self.no_anonymous,
            is_open=self.is_open,
            read_only=self.read_only,
        )
        check_names(self.url, self.allowed_hosts, self.default_domain)
        if self.offers and self.read_only:
            raise click.UsageError(
                "--offer and --read-only exclude each other: --offer stores new manifests. A"
                " read-only server serves only manifests that are already stored."
            )
        if self.record_pulls and self.read_only:
            raise click.UsageError(
                "--record-pulls and --read-only exclude each other: a read-only server records"
                " nothing"
            )
        if self.read_only and (self.cache_age is not None or self.cache_size is not None):
            raise click.UsageError(
                "--cache-age and --cache-size exclude --read-only: a read-only server removes"
                " nothing"
            )
        if self.syncs and self.read_only:
            raise click.UsageError(
                "--sync and --read-only exclude each other: a sync stores images"
            )
        self.upstream.check(read_only=self.read_only, has_syncs=bool(self.syncs))
        if self.require_children and self.accept_missing_blobs:
            raise click.UsageError(
                "--require-children and --accept-missing-blobs exclude each other"
            )
        parse_address(self.listen)

    def _check_stdio(self) -> None:
        """Refuse options for addresses, logins and several connections.

        Raises:
            click.UsageError: There is such an option.
        """
        given = {
            "--htpasswd or --rules": self.has_logins,
            "--no-anonymous": self.no_anonymous,
            "--tls-cert": self.tls_cert is not None,
            "--workers": self.workers > 1,
            "--url": self.url is not None,
            "--upstream": bool(self.upstreams),
            "--sync": bool(self.syncs),
            "--offer": bool(self.offers),
        }
        for name in (name for name, is_given in given.items() if is_given):
            raise click.UsageError(
                f"--stdio and {name} exclude each other: --stdio serves one connection, with the"
                " rights of the user who runs it"
            )

    def changed_to(self, new: ServeOptions) -> tuple[ServeOptions, tuple[str, ...]]:
        """Return the options after a change of the settings file, while the server runs.

        Users and rules, TLS, and upstream registries can be changed, but neither begun nor ended:
        other settings depend on whether there are any.

        Args:
            new: The options that a restart would use.

        Returns:
            The options in effect, and the names of those that need a restart.
        """
        changed = {
            one.name for one in fields(self) if getattr(self, one.name) != getattr(new, one.name)
        }
        waiting = changed - _LIVE
        if self.has_logins != new.has_logins:
            waiting |= changed & set(_LOGINS)
        if bool(self.upstreams) != bool(new.upstreams):
            waiting |= changed & set(_UPSTREAM)
        if (self.tls_cert is None) != (new.tls_cert is None):
            waiting |= changed & set(_CERTIFICATE)
        values = {name: getattr(new, name) for name in changed - waiting}
        names = sorted(_NAMES.get(name, name.replace("_", "-")) for name in waiting)
        return replace(self, **values), tuple(names)


def server_settings(
    options: ServeOptions,
    settings: Settings,
    reread: Callable[[], tuple[ServerSettings, Sequence[str]]] | None = None,
    opening: UpstreamOpening | None = None,
    schedule: SyncSchedule | None = None,
    cache: CacheRules | None = None,
) -> ServerSettings:
    """Return the settings of a server.

    Args:
        options: The options, which have been checked.
        settings: The settings of the run.
        reread: Reads the settings file again; None without one.
        opening: The upstream registries of the running server, which are changed to those of the
            options; None for a server that does not run yet.
        schedule: The syncs of the running server, which are changed as well; None for a server that
            runs none.
        cache: The limits of what the running server has pulled through, which are changed as well;
            None for a server that keeps none.

    Raises:
        click.UsageError: A value is invalid.
    """
    from mirror.access import AccessFiles  # noqa: PLC0415 - `--help` does without
    from mirror.access.challenge import Scheme  # noqa: PLC0415
    from mirror.connections.tls import Certificate  # noqa: PLC0415
    from mirror.jobs.cache import CacheRule  # noqa: PLC0415
    from mirror.jobs.leader import JobSettings  # noqa: PLC0415 - `--help` does without
    from mirror.server import ServerSettings  # noqa: PLC0415
    from mirror.service import MirrorSettings, VariantEncoding  # noqa: PLC0415
    from store import Platform  # noqa: PLC0415
    from store.model.cache_limits import CacheLimits  # noqa: PLC0415
    from store.registry.registry import Sparse  # noqa: PLC0415
    from storectl.output.remedies import WORDS  # noqa: PLC0415
    from storectl.system.malloc import release_memory  # noqa: PLC0415

    host, port = parse_address(options.listen)
    syncs = scheduled(options.syncs, options.sync_every, settings)
    sparse = (
        Sparse.NOTHING
        if options.require_children
        else Sparse.BLOBS
        if options.accept_missing_blobs
        else Sparse.INDEXES
    )
    kept = options.keep_events
    shared = is_shared(
        host,
        url=options.url,
        has_proxies=bool(options.proxies),
        has_logins=options.has_logins,
    )
    upstream = options.upstream.configuration(settings, is_shared=shared)
    if upstream is not None:
        opening = opening or UpstreamOpening()
        opening.change(upstream)
    if schedule is not None:
        # Without requests there is nothing to do.
        schedule.change(() if options.offline else syncs)
    if cache is not None:
        age, size = options.cache_age or None, options.cache_size
        command = collection_program(settings.root, age, size)
        cache.change(CacheRule(CacheLimits(age, size), command))
    return ServerSettings(
        host,
        port,
        certificate=(
            None
            if options.tls_cert is None or options.tls_key is None
            else Certificate(options.tls_cert, options.tls_key, options.tls_client_ca)
        ),
        workers=options.workers,
        grace_s=options.grace,
        access=AccessFiles(
            options.htpasswd,
            options.rules,
            anonymous_read=not options.no_anonymous,
            read_only=options.read_only,
            default_domain=options.default_domain,
            anonymous_write=options.is_open,
        ),
        mirror=MirrorSettings(
            options.default_domain,
            sparse=sparse,
            scheme=Scheme(options.auth),
            url=options.url,
            proxies=parse_proxies(options.proxies),
            allowed_hosts=tuple(map(in_url, options.allowed_hosts)),
            shared_origins=parse_origins(options.cors_origins),
            advice=WORDS,
            variants=tuple(map(VariantEncoding, dict.fromkeys(options.offers))),
            machine=Platform.of("linux", settings.machine),
            max_uploads=options.max_uploads,
            release_memory=release_memory,
            jobs=JobSettings(
                scrub_every=options.scrub_every or None,
                scrub_rate=options.scrub_rate,
                syncs=schedule,
                cache=cache,
                grace_s=options.grace,
            ),
            record_pulls=parse_patterns(options.record_pulls, options.default_domain),
            through=None if upstream is None or opening is None else opening.opened,
            keep_events=kept if isinstance(kept, int) else None,
            keep_events_for=None if isinstance(kept, int) else kept,
        ),
        overdue_code=ExitCode.UNAVAILABLE,
        hangup_ends=sys.stdin is not None and sys.stdin.isatty(),
        reread=reread,
    )
