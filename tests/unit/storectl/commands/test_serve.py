"""`serve`: options that exclude each other, and the settings passed to the server."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mirror.server
from mirror.access.challenge import Scheme
from mirror.process.logs import ACCESS, JsonLines, Text
from store.model.remedies import Remedy
from store.registry.registry import Sparse
from storectl.system import malloc

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirror.server import ServerSettings
    from tests.support.fake_shell import FakeStore, Shell


class FakeServer:
    """A fake server that records its settings and is ready at once."""

    def __init__(self) -> None:
        self.settings: ServerSettings | None = None

    def __call__(
        self,
        _open_store: object,
        settings: ServerSettings,
        on_ready: Callable[[str], None],
        prepare: Callable[[], None],
    ) -> None:
        self.settings = settings
        prepare()
        on_ready("http://there")

    @property
    def given(self) -> ServerSettings:
        assert self.settings is not None
        return self.settings


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    configured: list[Any] = []
    monkeypatch.setattr(
        logging, "basicConfig", lambda **options: configured.extend(options["handlers"])
    )
    monkeypatch.setattr(ACCESS, "level", ACCESS.level)
    return configured


@pytest.fixture
def server(fake: FakeStore, monkeypatch: pytest.MonkeyPatch, handlers: list[Any]) -> FakeServer:
    del handlers
    recorded = FakeServer()
    fake.answers["close"] = None
    monkeypatch.setattr(mirror.server, "serve", recorded)
    monkeypatch.setattr(malloc, "keep_freed", lambda _keep_bytes: None)
    return recorded


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tls-cert", "c"), "--tls-cert and --tls-key"),
        (("--tls-key", "k"), "--tls-cert and --tls-key"),
        (("--tls-client-ca", "ca"), "--tls-client-ca needs"),
        (("--no-anonymous",), "needs --htpasswd or --rules"),
        (("--offer", "zstd", "--read-only"), "--offer and --read-only"),
        (("--require-children", "--accept-missing-blobs"), "exclude each other"),
        (("--open", "--htpasswd", "users"), "--open excludes --htpasswd"),
        (("--open", "--rules", "rules"), "--open excludes --htpasswd and --rules"),
        (("--open", "--read-only"), "--open and --read-only exclude each other"),
        (("--allowed-host", "a", "--allowed-host", "b:5000"), "invalid --allowed-host 'b:5000'"),
        (("--allowed-host", "*.example.com"), "invalid --allowed-host"),
        (("--url", "http://x/path"), "invalid --url 'http://x/path'"),
        (("--default-domain", "corp"), "invalid --default-domain 'corp'"),
        (("--listen", "5000"), "invalid --listen '5000'"),
        (("--listen", "host:"), "invalid --listen 'host:'"),
        (("--listen", "host:65536"), "invalid --listen"),
        (("--listen", "host:-1"), "invalid --listen"),
        (("--listen", "host:٣"), "invalid --listen"),
        (("--trusted-proxy", "everywhere"), "--trusted-proxy: "),
        (("--cors-origin", "ui.example.com"), "--cors-origin: invalid origin 'ui.example.com'"),
        (("--record-pulls", "team/["), "--record-pulls: invalid pattern 'team/['"),
        (("--record-pulls", "**", "--read-only"), "--record-pulls and --read-only exclude"),
        (("--keep-events", "soon"), "--keep-events"),
        (("--workers", "65"), "--workers"),
        (("--grace", "-1"), "--grace"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(
    shell: Shell, server: FakeServer, arguments: tuple[str, ...], said: str
) -> None:
    shell("serve", *arguments, code=2)
    assert said in shell.err
    assert server.settings is None


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:5000", "127.0.0.1", 5000),
        (":443", "", 443),
        ("[::1]:0", "::1", 0),
        ("name:65535", "name", 65535),
    ],
)
def test_an_address_is_a_host_and_a_port(
    shell: Shell, server: FakeServer, listen: str, host: str, port: int
) -> None:
    shell("serve", "--listen", listen)
    assert (server.given.host, server.given.port) == (host, port)


def test_the_address_is_printed_when_the_server_is_ready(
    shell: Shell, server: FakeServer, tmp_path: Path
) -> None:
    assert shell("serve") == f"serving {tmp_path} on http://there\n"
    assert server.given.workers == 1


def test_options_reach_the_server(shell: Shell, server: FakeServer) -> None:
    shell(
        *("serve", "--default-domain", "quay.io", "--accept-missing-blobs", "--auth", "basic"),
        *("--url", "https://a.b", "--trusted-proxy", "10.0.0.0/8", "--workers", "2"),
        *("--grace", "5", "--offer", "gzip", "--offer", "zstd", "--offer", "gzip"),
        *("--cors-origin", "https://ui.test", "--record-pulls", "team/**", "--keep-events", "9h"),
        *("--tls-cert", "cert", "--tls-key", "key", "--htpasswd", "users", "--no-anonymous"),
    )
    given = server.given
    assert (given.workers, given.grace_s) == (2, 5)
    assert given.certificate is not None
    assert given.certificate.paths == (Path("cert"), Path("key"))
    assert given.mirror.default_domain == "quay.io"
    assert given.mirror.sparse is Sparse.BLOBS
    assert given.mirror.scheme is Scheme.BASIC
    assert given.mirror.url == "https://a.b"
    assert [one.value for one in given.mirror.variants] == ["gzip", "zstd"]
    assert given.mirror.shared_origins.origins == {"https://ui.test"}
    assert [one.matches("quay.io/team/x") for one in given.mirror.record_pulls] == [True]
    assert (given.mirror.keep_events, given.mirror.keep_events_for) == (None, timedelta(hours=9))


def test_clients_write_without_users_only_with_open(shell: Shell, server: FakeServer) -> None:
    shell("serve", "--listen", "0.0.0.0:0")
    # The server itself decides for loopback: it knows to which address a name resolves.
    assert [server.given.access.anonymous_write] == [False]
    shell("serve", "--open", "--allowed-host", "registry.test", "--allowed-host", "fd00::1")
    assert [server.given.access.anonymous_write] == [True]
    assert server.given.mirror.allowed_hosts == ("registry.test", "[fd00::1]")
    advice = server.given.mirror.advice
    assert "--open" in advice[Remedy.OPEN_REGISTRY]
    assert "--allowed-host" in advice[Remedy.ALLOW_HOST]


@pytest.mark.parametrize(
    ("arguments", "sparse"),
    [
        ((), Sparse.INDEXES),
        (("--require-children",), Sparse.NOTHING),
        (("--accept-missing-blobs",), Sparse.BLOBS),
    ],
)
def test_what_may_be_missing_is_chosen_by_two_flags(
    shell: Shell, server: FakeServer, arguments: tuple[str, ...], sparse: Sparse
) -> None:
    shell("serve", *arguments)
    assert server.given.mirror.sparse is sparse


def test_the_store_is_created_unless_the_server_is_read_only(
    shell: Shell, server: FakeServer, fake: FakeStore
) -> None:
    shell("serve", "--read-only")
    assert fake.asked == []
    shell("serve")
    assert [name for name, _, _ in fake.asked] == ["close"]
    assert (fake.opened["create"], fake.opened["group"]) == (True, None)
    del server


@pytest.mark.parametrize("stdin", [None, sys.__stdin__])
def test_sighup_reloads_unless_the_server_runs_in_a_terminal(
    shell: Shell, server: FakeServer, monkeypatch: pytest.MonkeyPatch, stdin: object
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    if stdin is not None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    shell("serve")
    assert server.given.hangup_ends is (stdin is not None)


def test_logs_are_json_or_text_and_quiet_drops_the_access_log(
    shell: Shell, server: FakeServer, handlers: list[Any]
) -> None:
    shell("serve")
    shell("serve", "--log-format", "text", "-q")
    assert [type(one.formatter) for one in handlers] == [JsonLines, Text]
    assert ACCESS.level == logging.WARNING
    del server
