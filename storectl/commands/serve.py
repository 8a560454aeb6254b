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

# Whoever reads it says what is wrong with it, and ends with the code for that.
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
    help="Where to listen. Without a host, everywhere; port 0 takes any.",
)
@click.option(
    "--default-domain",
    metavar="DOMAIN",
    default="docker.io",
    show_default=True,
    help="The registry of names that say none.",
)
@click.option(
    "--read-only",
    is_flag=True,
    help="Take no pushes and deletes; the store may lie on read-only media.",
)
@click.option(
    "--require-children", is_flag=True, help="Refuse an index while images it lists are missing."
)
@click.option(
    "--accept-missing-blobs",
    is_flag=True,
    help="Take images whose layers are missing too, for mirrors of a part.",
)
@click.option(
    "--htpasswd",
    metavar="FILE",
    type=_FILE,
    help="Users and their passwords, hashed with bcrypt (`htpasswd -B`).",
)
@click.option(
    "--rules",
    metavar="FILE",
    type=_FILE,
    help=(
        "Who may read, write and delete in which repositories, and tokens (TOML; see"
        " docs/mirror.md)."
    ),
)
@click.option("--no-anonymous", is_flag=True, help="Let only those read who say who they are.")
@click.option(
    "--auth",
    type=click.Choice(["bearer", "basic"]),
    default="bearer",
    show_default=True,
    help="Ask clients for a token, or for the password itself.",
)
@click.option(
    "--url",
    metavar="URL",
    help="What clients call this server, behind a proxy that changes it (http[s]://HOST[:PORT]).",
)
@click.option(
    "--trusted-proxy",
    "proxies",
    metavar="CIDR",
    multiple=True,
    help=(
        "Believe what a reverse proxy at this address or in this network says in X-Forwarded-For,"
        " -Proto and -Host (repeatable)."
    ),
)
@click.option(
    "--offer",
    "offers",
    multiple=True,
    type=click.Choice(["zstd", "gzip"]),
    help="Publish images in this encoding too, as TAG-zstd or TAG-gzip (repeatable).",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    type=_FILE,
    help="A certificate chain (PEM): serve over TLS. Taken over anew when it is renewed.",
)
@click.option("--tls-key", metavar="FILE", type=_FILE, help="The certificate's key.")
@click.option(
    "--tls-client-ca",
    metavar="FILE",
    type=_FILE,
    help="Take only clients with a certificate of these authorities.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the address.",
)
@click.option(
    "--log-format",
    type=click.Choice(["json", "text"]),
    default="json",
    show_default=True,
    help="A JSON object for every line of the log, or text.",
)
@click.option(
    "--grace",
    metavar="SECONDS",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="How long transfers may go on when told to stop.",
)
@click.option("-q", "--quiet", is_flag=True, help="No access log.")
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
    log_format: str,
    grace: int,
    quiet: bool,
) -> None:
    """Serve every image as a registry (OCI distribution 1.1), and take pushes.

    What another command imports can be pulled at once.

    Archives of images are at /archives/legacy|docker|oci/NAME. Ends on SIGTERM or Ctrl-C, when
    running transfers are done; SIGHUP reads certificates, users and rules anew, as does a change of
    their files.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if tls_client_ca is not None and tls_cert is None:
        raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key")
    if no_anonymous and htpasswd is None and rules is None:
        raise click.UsageError("--no-anonymous needs --htpasswd or --rules: nobody could read")
    if url is not None and not is_server(url):
        raise click.UsageError(f"--url takes http[s]://HOST[:PORT], not {url!r}")
    if offers and read_only:
        raise click.UsageError(
            "--offer makes new manifests, and --read-only none; those that were made before are"
            " served"
        )
    if require_children and accept_missing_blobs:
        raise click.UsageError(
            "--require-children and --accept-missing-blobs contradict each other"
        )
    host, port = _address(listen)
    if not is_registry(default_domain):
        raise click.UsageError(
            "--default-domain takes the name of a registry, with a dot or a port (or localhost),"
            f" not {default_domain!r}"
        )
    from mirror.access import AccessFiles  # noqa: PLC0415 - `--help` does without
    from mirror.access.challenge import Scheme  # noqa: PLC0415
    from mirror.connections.tls import Certificate  # noqa: PLC0415
    from mirror.server import ServerSettings, serve  # noqa: PLC0415
    from mirror.service import MirrorSettings, VariantEncoding  # noqa: PLC0415
    from store import Platform, Store  # noqa: PLC0415
    from store.registry.registry import Sparse  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.system.malloc import SERVER_KEEPS_BYTES, give_back, keep_freed  # noqa: PLC0415

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
            proxies=_proxies(proxies),
            variants=tuple(map(VariantEncoding, dict.fromkeys(offers))),
            machine=Platform.of("linux", settings.machine),
            release_memory=give_back,
        ),
        hangup_ends=sys.stdin is not None and sys.stdin.isatty(),
    )
    if not read_only:
        # Made, or brought up to date, once and before any worker begins.
        settings.open(create=True).close()
    _log(log_format, quiet=quiet)

    def open_store() -> Store:
        # Without a word about waiting: it is no news to a server that two of its requests write.
        return Store.open(settings.root, read_only=read_only, clock=settings.now)

    serve(open_store, server, lambda address: render.line(f"serving {settings.root} on {address}"))


def _proxies(texts: tuple[str, ...]) -> TrustedProxies:
    from mirror.access.proxies import TrustedProxies  # noqa: PLC0415
    from store.errors import InvalidInput  # noqa: PLC0415

    try:
        return TrustedProxies.parse(texts)
    except InvalidInput as exc:
        raise click.UsageError(f"--trusted-proxy: {exc.message}; {exc.hint}") from None


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise click.UsageError(f"--listen takes HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _log(log_format: str, *, quiet: bool) -> None:
    import logging  # noqa: PLC0415 - `--help` does without

    from mirror.process.logs import ACCESS, JsonLines, Text  # noqa: PLC0415

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if quiet:
        ACCESS.setLevel(logging.WARNING)
