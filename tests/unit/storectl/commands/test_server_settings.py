"""Which settings of a running server change at once, and which need a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storectl.commands._server_settings import ServeOptions, server_settings
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


def test_options_become_settings_of_the_server() -> None:
    found = server_settings(TLS, Settings(Path("root")), lambda: (found, ()))
    assert (found.host, found.port, found.mirror.scrub_every) == ("127.0.0.1", 0, None)
    assert found.certificate is not None
    assert found.certificate_paths == (Path("c"), Path("k"))
    assert found.reread is not None
    assert found.reread() == (found, ())
