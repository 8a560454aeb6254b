"""``serve``: the store as a registry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from storectl.system.addresses import is_registry, is_server
from storectl.verb import Verb

if TYPE_CHECKING:
    from mirror.access.proxies import TrustedProxies
    from storectl.settings import Settings

# Click does not check these files: the mirror reads them and reports errors with its exit codes.
_FILE = click.Path(readable=False, path_type=Path)


@click.command(
    "serve",
    cls=Verb,
    examples=(
        "storectl serve",
        "storectl serve --listen 0.0.0.0:5000 --read-only",
        "storectl serve --listen :443 --tls-cert cert.pem --tls-key key.pem --htpasswd users",
    ),
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:5000",
    show_default=True,
    help="Address to listen on. Without HOST, all addresses; port 0 takes any free port.",
)
@click.option(
    "--default-domain",
    metavar="DOMAIN",
    default="docker.io",
    show_default=True,
    help="Registry for image names without a registry.",
)
@click.option(
    "--read-only",
    is_flag=True,
    help="Reject pushes and deletes; the store may be on read-only media.",
)
@click.option(
    "--require-children",
    is_flag=True,
    help="Reject an index if images that it lists are missing.",
)
@click.option(
    "--accept-missing-blobs",
    is_flag=True,
    help="Also accept images with missing layers, for partial mirrors.",
)
@click.option(
    "--htpasswd",
    metavar="FILE",
    type=_FILE,
    help="Users and their bcrypt password hashes, as `htpasswd -B` writes them.",
)
@click.option(
    "--rules",
    metavar="FILE",
    type=_FILE,
    help=(
        "Permissions to read, write and delete for each repository, and tokens (TOML; see"
        " docs/mirror.md)."
    ),
)
@click.option("--no-anonymous", is_flag=True, help="Require authentication for reads.")
@click.option(
    "--auth",
    type=click.Choice(["bearer", "basic"]),
    default="bearer",
    show_default=True,
    help="Authentication that the server requests: a token, or the password in every request.",
)
@click.option(
    "--url",
    metavar="URL",
    help="URL under which clients reach this server through a proxy (http[s]://HOST[:PORT]).",
)
@click.option(
    "--trusted-proxy",
    "proxies",
    metavar="CIDR",
    multiple=True,
    help=(
        "Trust X-Forwarded-For, -Proto and -Host from reverse proxies with this address or in this"
        " network (repeatable)."
    ),
)
@click.option(
    "--offer",
    "offers",
    multiple=True,
    type=click.Choice(["zstd", "gzip"]),
    help="Also publish images with this layer compression, as TAG-zstd or TAG-gzip (repeatable).",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    type=_FILE,
    help="Certificate chain (PEM) for TLS. The file is read again when it changes.",
)
@click.option("--tls-key", metavar="FILE", type=_FILE, help="Private key of the certificate.")
@click.option(
    "--tls-client-ca",
    metavar="FILE",
    type=_FILE,
    help="Require a client certificate signed by one of the authorities in this file (PEM).",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Number of processes that share the address.",
)
@click.option(
    "--max-uploads",
    metavar="N",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help=(
        "Number of uploads that may be in progress. A user, or an address without a user, may have"
        " 1 % of them, and at least 100."
    ),
)
@click.option(
    "--log-format",
    type=click.Choice(["json", "text"]),
    default="json",
    show_default=True,
    help="Format of log lines: JSON objects or text.",
)
@click.option(
    "--grace",
    metavar="SECONDS",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="Time that running transfers get to finish when the server stops.",
)
@click.option("-q", "--quiet", is_flag=True, help="Suppress the access log.")
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    listen: str,
    default_domain: str,
    read_only: bool,
    require_children: bool,
    accept_missing_blobs: bool,
    htpasswd: Path | None,
    rules: Path | None,
    no_anonymous: bool,
    auth: str,
    url: str | None,
    proxies: tuple[str, ...],
    offers: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    workers: int,
    max_uploads: int,
    log_format: str,
    grace: int,
    quiet: bool,
) -> None:
    """Serve the store as a registry (OCI distribution 1.1) that accepts pushes.

    Images that other commands import can be pulled immediately. Archives of images are served at
    /archives/legacy|docker|oci/NAME.

    SIGTERM and Ctrl-C stop the server when the running transfers have finished. Certificates, users
    and rules are read again when their files change, and on SIGHUP.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key must be given together")
    if tls_client_ca is not None and tls_cert is None:
        raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key")
    if no_anonymous and htpasswd is None and rules is None:
        raise click.UsageError(
            "--no-anonymous needs --htpasswd or --rules: without users no client could read"
        )
    if url is not None and not is_server(url):
        raise click.UsageError(f"invalid --url {url!r}: expected http[s]://HOST[:PORT]")
    if offers and read_only:
        raise click.UsageError(
            "--offer and --read-only exclude each other: --offer stores new manifests. A read-only"
            " server serves only manifests that are already stored."
        )
    if require_children and accept_missing_blobs:
        raise click.UsageError("--require-children and --accept-missing-blobs exclude each other")
    host, port = _parse_address(listen)
    if not is_registry(default_domain):
        raise click.UsageError(
            f"invalid --default-domain {default_domain!r}: expected the name of a registry, with a"
            " dot or a port, or localhost"
        )
    from mirror.access import AccessFiles  # noqa: PLC0415 - `--help` does without
    from mirror.access.challenge import Scheme  # noqa: PLC0415
    from mirror.connections.tls import Certificate  # noqa: PLC0415
    from mirror.server import ServerSettings, serve  # noqa: PLC0415
    from mirror.service import MirrorSettings, VariantEncoding  # noqa: PLC0415
    from store import Platform, Store  # noqa: PLC0415
    from store.registry.registry import Sparse  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.system.malloc import (  # noqa: PLC0415
        SERVER_KEEPS_BYTES,
        keep_freed,
        release_memory,
    )

    keep_freed(SERVER_KEEPS_BYTES)
    sparse = (
        Sparse.NOTHING
        if require_children
        else Sparse.BLOBS
        if accept_missing_blobs
        else Sparse.INDEXES
    )
    server = ServerSettings(
        host,
        port,
        certificate=(
            None
            if tls_cert is None or tls_key is None
            else Certificate(tls_cert, tls_key, tls_client_ca)
        ),
        workers=workers,
        grace_s=grace,
        access=AccessFiles(
            htpasswd,
            rules,
            anonymous_read=not no_anonymous,
            read_only=read_only,
            default_domain=default_domain,
        ),
        mirror=MirrorSettings(
            default_domain,
            sparse=sparse,
            scheme=Scheme(auth),
            url=url,
            proxies=_parse_proxies(proxies),
            variants=tuple(map(VariantEncoding, dict.fromkeys(offers))),
            machine=Platform.of("linux", settings.machine),
            max_uploads=max_uploads,
            release_memory=release_memory,
        ),
        hangup_ends=sys.stdin is not None and sys.stdin.isatty(),
    )
    if not read_only:
        # Create or upgrade the store once, before any worker starts.
        settings.open(create=True).close()
    _configure_logging(log_format, quiet=quiet)

    def open_store() -> Store:
        # No on_wait: in a server, requests often wait for each other to write.
        return Store.open(settings.root, read_only=read_only, clock=settings.now)

    serve(open_store, server, lambda address: render.line(f"serving {settings.root} on {address}"))


def _parse_proxies(texts: tuple[str, ...]) -> TrustedProxies:
    from mirror.access.proxies import TrustedProxies  # noqa: PLC0415
    from store.errors import InvalidInput  # noqa: PLC0415

    try:
        return TrustedProxies.parse(texts)
    except InvalidInput as exc:
        raise click.UsageError(f"--trusted-proxy: {exc.message}; {exc.hint}") from None


def _parse_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise click.UsageError(f"invalid --listen {text!r}: expected HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _configure_logging(log_format: str, *, quiet: bool) -> None:
    import logging  # noqa: PLC0415 - `--help` does without

    from mirror.process.logs import ACCESS, JsonLines, Text  # noqa: PLC0415

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if quiet:
        ACCESS.setLevel(logging.WARNING)
