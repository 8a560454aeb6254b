"""Which settings of a running server change at once, and which need a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click
import pytest

from mirror.jobs.cache import CacheRules
from mirror.jobs.syncs import SyncSchedule
from store.model.cache_limits import CacheLimits
from storectl.commands._server_settings import ServeOptions, server_settings
from storectl.commands._sync_table import SyncTable
from storectl.settings import Settings

OPTIONS = ServeOptions(
    listen="127.0.0.1:0",
    stdio=False,
    url=None,
    proxies=(),
    allowed_hosts=(),
    cors_origins=(),
    workers=1,
    grace=60,
    htpasswd=None,
    rules=None,
    no_anonymous=False,
    auth="bearer",
    is_open=False,
    read_only=False,
    tls_cert=None,
    tls_key=None,
    tls_client_ca=None,
    default_domain="docker.io",
    require_children=False,
    accept_missing_blobs=False,
    offers=(),
    upstreams=(),
    upstream_max_age=timedelta(minutes=1),
    upstream_authfile=None,
    upstream_cert_dir=None,
    offline=False,
    cache_age=None,
    cache_size=None,
    syncs=(),
    sync_every=timedelta(days=1),
    max_uploads=10,
    max_layer_size=None,
    max_ratio=None,
    scrub_every=timedelta(0),
    scrub_rate=10**7,
    record_pulls=(),
    keep_events=None,
    log_format=None,
    quiet=False,
    group=None,
)
USERS = replace(OPTIONS, htpasswd=Path("users"))
TLS = replace(OPTIONS, tls_cert=Path("c"), tls_key=Path("k"))


@pytest.mark.parametrize(
    ("old", "new", "waiting"),
    [
        (OPTIONS, replace(OPTIONS, quiet=True, log_format="json"), ()),
        (OPTIONS, replace(OPTIONS, listen=":1", proxies=("::1/128",)), ("listen", "trusted-proxy")),
        (OPTIONS, replace(OPTIONS, is_open=True, quiet=True), ("open",)),
        (USERS, replace(USERS, htpasswd=Path("others"), no_anonymous=True), ()),
        (USERS, replace(USERS, rules=Path("rules")), ()),
        (USERS, OPTIONS, ("htpasswd",)),
        (OPTIONS, replace(USERS, no_anonymous=True), ("htpasswd", "no-anonymous")),
        (TLS, replace(TLS, tls_cert=Path("d"), tls_client_ca=Path("ca")), ()),
        (OPTIONS, replace(OPTIONS, syncs=(SyncTable(Path("x")),)), ()),
        (OPTIONS, replace(OPTIONS, cache_age=timedelta(1), cache_size=1), ()),
        (TLS, OPTIONS, ("tls-cert", "tls-key")),
        (OPTIONS, TLS, ("tls-cert", "tls-key")),
    ],
)
def test_what_needs_a_restart_stays(
    old: ServeOptions, new: ServeOptions, waiting: tuple[str, ...]
) -> None:
    effective, names = old.changed_to(new)
    assert names == waiting
    assert (effective == new) is not bool(waiting)
    # After a restart, nothing is left.
    assert new.changed_to(new) == (new, ())


def test_syncs_change_with_the_options_unless_the_server_is_offline(tmp_path: Path) -> None:
    file = tmp_path / "images.txt"
    file.write_text("debian:12\n")
    schedule, options = SyncSchedule(), replace(OPTIONS, syncs=(SyncTable(file),))
    settings = Settings(tmp_path / "store")
    found = server_settings(options, settings, schedule=schedule)
    assert found.mirror.jobs.syncs is schedule
    assert [one.name for one in schedule.syncs] == ["images"]
    server_settings(replace(options, offline=True), settings, schedule=schedule)
    assert schedule.names == ()


def test_limits_of_the_cache_change_with_the_options() -> None:
    settings, cache = Settings(Path("root")), CacheRules()
    options = replace(OPTIONS, cache_age=timedelta(hours=2), cache_size=7)
    assert server_settings(options, settings, cache=cache).mirror.jobs.cache is cache
    assert cache.rule.limits == CacheLimits(timedelta(hours=2), 7)
    assert cache.rule.command[-2:] == ("--cache-age=7200s", "--cache-size=7")
    server_settings(replace(OPTIONS, cache_age=timedelta(0)), settings, cache=cache)
    assert not cache.rule.limits.is_set


@pytest.mark.parametrize("change", [{"read_only": True}, {"stdio": True}])
def test_a_server_that_stores_nothing_runs_no_syncs(change: dict[str, bool]) -> None:
    options = replace(OPTIONS, syncs=(SyncTable(Path("x")),))
    with pytest.raises(click.UsageError, match="--sync"):
        replace(options, **change).check()  # type: ignore[arg-type] # of this test
    # A sync needs no upstream registry to be offline.
    replace(options, offline=True).check()
    with pytest.raises(click.UsageError, match="--offline needs --upstream"):
        replace(OPTIONS, offline=True).check()


def test_options_become_settings_of_the_server() -> None:
    found = server_settings(TLS, Settings(Path("root")), lambda: (found, ()))
    assert (found.host, found.port, found.mirror.jobs.scrub_every) == ("127.0.0.1", 0, None)
    assert found.certificate is not None
    assert found.certificate_paths == (Path("c"), Path("k"))
    assert found.reread is not None
    assert found.reread() == (found, ())
