"""``serve``: the store as a registry."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from storectl.commands._ceilings import Size, limits
from storectl.commands._serve_options import (
    KeptEvents,
    check_names,
    check_permissions,
    check_tls,
    parse_address,
    parse_origins,
    parse_patterns,
    parse_proxies,
)
from storectl.system.addresses import in_url
from storectl.system.groups import shared_option
from storectl.system.parameters import FilePath, WholeNumber
from storectl.verb import SectionOption, Verb

if TYPE_CHECKING:
    from datetime import timedelta

    from storectl.settings import Settings

# Click does not check these files: the mirror reads them and reports errors with its exit codes.
_FILE = FilePath(path_type=Path)

_network, _access, _tls, _images, _limits, _events, _log = (
    partial(click.option, cls=SectionOption, section=title)
    for title in ("Network", "Access", "TLS", "Images", "Limits", "Events", "Log")
)


@click.command(
    "serve",
    cls=Verb,
    examples=(
        "storectl serve",
        "storectl serve --listen :443 --tls-cert cert.pem --tls-key key.pem --htpasswd users",
        "storectl serve --listen 0.0.0.0:5000 --open",
    ),
)
@_network(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:5000",
    show_default=True,
    help="Address to listen on. Without HOST, all addresses; port 0 takes any free port.",
)
@_network(
    "--url",
    metavar="URL",
    help="URL under which clients reach this server through a proxy (http[s]://HOST[:PORT]).",
)
@_network(
    "--trusted-proxy",
    "proxies",
    metavar="CIDR",
    multiple=True,
    help=(
        "Trust X-Forwarded-For, -Proto and -Host from reverse proxies with this address or in this"
        " network (repeatable)."
    ),
)
@_network(
    "--allowed-host",
    "allowed_hosts",
    metavar="HOST",
    multiple=True,
    help=(
        "Answer only requests for this host name, localhost and loopback addresses (repeatable)."
        " Without users, a server on a loopback address always checks the host name."
    ),
)
@_network(
    "--cors-origin",
    "cors_origins",
    metavar="ORIGIN",
    multiple=True,
    help=(
        "Let web pages of this origin (http[s]://HOST[:PORT], or * for every page) read the"
        " registry, such as a page that shows its images (repeatable)."
    ),
)
@_network(
    "--workers",
    metavar="N",
    type=WholeNumber(1, 64),
    default=1,
    show_default=True,
    help="Number of processes that share the address.",
)
@_network(
    "--grace",
    metavar="SECONDS",
    type=WholeNumber(0),
    default=60,
    show_default=True,
    help="Time that running transfers get to finish when the server stops.",
)
@_access(
    "--htpasswd",
    metavar="FILE",
    type=_FILE,
    help="Users and their bcrypt password hashes, as `storectl passwd` writes them.",
)
@_access(
    "--rules",
    metavar="FILE",
    type=_FILE,
    help=(
        "Permissions to read, write and delete for each repository, and tokens, in TOML. A [[rule]]"
        " has three lists: repositories, users and groups (who), actions (allow)."
    ),
)
@_access("--no-anonymous", is_flag=True, help="Require authentication for reads.")
@_access(
    "--auth",
    type=click.Choice(["bearer", "basic"]),
    default="bearer",
    show_default=True,
    help="Authentication that the server requests: a token, or the password in every request.",
)
@_access(
    "--open",
    "is_open",
    is_flag=True,
    help=(
        "Let every client push and delete without logging in. Without users, only a server that"
        " other machines cannot reach allows this by default."
    ),
)
@_access(
    "--read-only",
    is_flag=True,
    help="Reject pushes and deletes; the store may be on read-only media.",
)
@_tls(
    "--tls-cert",
    metavar="FILE",
    type=_FILE,
    help="Certificate chain (PEM) for TLS. The file is read again when it changes.",
)
@_tls("--tls-key", metavar="FILE", type=_FILE, help="Private key of the certificate.")
@_tls(
    "--tls-client-ca",
    metavar="FILE",
    type=_FILE,
    help="Require a client certificate signed by one of the authorities in this file (PEM).",
)
@_images(
    "--default-domain",
    metavar="DOMAIN",
    default="docker.io",
    show_default=True,
    help="Registry for image names without a registry.",
)
@_images(
    "--require-children",
    is_flag=True,
    help="Reject an index if images that it lists are missing.",
)
@_images(
    "--accept-missing-blobs",
    is_flag=True,
    help="Also accept images with missing layers, for partial mirrors.",
)
@_images(
    "--offer",
    "offers",
    multiple=True,
    type=click.Choice(["zstd", "gzip"]),
    help="Also publish images with this layer compression, as TAG-zstd or TAG-gzip (repeatable).",
)
@_limits(
    "--max-uploads",
    metavar="N",
    type=WholeNumber(1),
    default=10_000,
    show_default=True,
    help=(
        "Number of uploads that may be in progress. A user, or an address without a user, may have"
        " 1 % of them, and at least 100."
    ),
)
@_limits(
    "--max-layer-size",
    type=Size(),
    metavar="SIZE",
    help=(
        "Refuse larger blobs, and do not decode pushed layers with a larger uncompressed size."
        "  [default: 1024GiB]"
    ),
)
@_limits(
    "--max-ratio",
    type=WholeNumber(min=1),
    metavar="NUMBER",
    help=(
        "Do not decode pushed layers that decompress to more than NUMBER bytes for each byte, once"
        " they have 64 MiB.  [default: 1000]"
    ),
)
@_events(
    "--record-pulls",
    metavar="PATTERN",
    multiple=True,
    help=(
        "Record pulls from repositories that match this pattern, such as team/** or ** for all"
        " (repeatable). `storectl events --filter event=pull` shows them."
    ),
)
@_events(
    "--keep-events",
    type=KeptEvents(),
    metavar="N|AGE",
    help=(
        "Remove old events every hour: keep N, or those of the last AGE, such as 720h."
        "  [default: 1000000]"
    ),
)
@_log(
    "--log-format",
    type=click.Choice(["json", "text"]),
    help="Format of log lines.  [default: text on a terminal, else json]",
)
@_log("-q", "--quiet", is_flag=True, help="Suppress the access log.")
@shared_option
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    listen: str,
    url: str | None,
    proxies: tuple[str, ...],
    allowed_hosts: tuple[str, ...],
    cors_origins: tuple[str, ...],
    workers: int,
    grace: int,
    htpasswd: Path | None,
    rules: Path | None,
    no_anonymous: bool,
    auth: str,
    is_open: bool,
    read_only: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    default_domain: str,
    require_children: bool,
    accept_missing_blobs: bool,
    offers: tuple[str, ...],
    max_uploads: int,
    max_layer_size: int | None,
    max_ratio: int | None,
    record_pulls: tuple[str, ...],
    keep_events: int | timedelta | None,
    log_format: str | None,
    quiet: bool,
    group: int | None,
) -> None:
    """Serve the store as a registry (OCI distribution 1.1) that accepts pushes.

    Images that other commands import can be pulled immediately. Archives of images are served at
    /archives/legacy|docker|oci/NAME.

    Without --htpasswd and --rules, clients on this machine may push and delete. If other machines
    can reach the server, clients may only read, unless --open is given.

    SIGTERM and Ctrl-C stop the server when the running transfers have finished. Certificates, users
    and rules are read again when their files change, and on SIGHUP.
    """
    check_tls(tls_cert, tls_key, tls_client_ca)
    check_permissions(
        has_logins=htpasswd is not None or rules is not None,
        no_anonymous=no_anonymous,
        is_open=is_open,
        read_only=read_only,
    )
    check_names(url, allowed_hosts, default_domain)
    if offers and read_only:
        raise click.UsageError(
            "--offer and --read-only exclude each other: --offer stores new manifests. A read-only"
            " server serves only manifests that are already stored."
        )
    if record_pulls and read_only:
        raise click.UsageError(
            "--record-pulls and --read-only exclude each other: a read-only server records nothing"
        )
    if require_children and accept_missing_blobs:
        raise click.UsageError("--require-children and --accept-missing-blobs exclude each other")
    host, port = parse_address(listen)
    import logging  # noqa: PLC0415 - `--help` does without

    from mirror.access import AccessFiles  # noqa: PLC0415 - `--help` does without
    from mirror.access.challenge import Scheme  # noqa: PLC0415
    from mirror.connections.tls import Certificate  # noqa: PLC0415
    from mirror.server import ServerSettings, serve  # noqa: PLC0415
    from mirror.service import MirrorSettings, VariantEncoding  # noqa: PLC0415
    from store import Platform, Store  # noqa: PLC0415
    from store.content.decoding import Decoding  # noqa: PLC0415
    from store.registry.registry import Sparse  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.remedies import WORDS  # noqa: PLC0415
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
            anonymous_write=is_open,
        ),
        mirror=MirrorSettings(
            default_domain,
            sparse=sparse,
            scheme=Scheme(auth),
            url=url,
            proxies=parse_proxies(proxies),
            allowed_hosts=tuple(map(in_url, allowed_hosts)),
            shared_origins=parse_origins(cors_origins),
            advice=WORDS,
            variants=tuple(map(VariantEncoding, dict.fromkeys(offers))),
            machine=Platform.of("linux", settings.machine),
            max_uploads=max_uploads,
            release_memory=release_memory,
            record_pulls=parse_patterns(record_pulls, default_domain),
            keep_events=keep_events if isinstance(keep_events, int) else None,
            keep_events_for=None if isinstance(keep_events, int) else keep_events,
        ),
        hangup_ends=sys.stdin is not None and sys.stdin.isatty(),
    )
    _configure_logging(log_format, quiet=quiet)

    def report_creation(root: Path) -> None:
        logging.getLogger(__name__).info("created a store in %s", root)

    def prepare() -> None:
        # Create or upgrade the store once, before any worker starts.
        if not read_only:
            settings.open(create=True, group=group, on_create=report_creation).close()

    def open_store() -> Store:
        # No on_wait: in a server, requests often wait for each other to write.
        return Store.open(
            settings.root,
            read_only=read_only,
            clock=settings.now,
            decoding=Decoding.of_server(limits(max_layer_size, max_ratio)),
        )

    serve(
        open_store,
        server,
        lambda address: render.line(f"serving {settings.root} on {address}"),
        prepare,
    )


def _configure_logging(log_format: str | None, *, quiet: bool) -> None:
    import logging  # noqa: PLC0415 - `--help` does without

    from mirror.process.logs import ACCESS, JsonLines, Text  # noqa: PLC0415

    handler = logging.StreamHandler(sys.stderr)
    if log_format is None:
        log_format = "text" if sys.stderr is not None and sys.stderr.isatty() else "json"
    handler.setFormatter(JsonLines() if log_format == "json" else Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if quiet:
        ACCESS.setLevel(logging.WARNING)
