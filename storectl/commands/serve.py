"""``serve``: the store as a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from storectl.verb import Verb

if TYPE_CHECKING:
    from storectl.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


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
    "--listen", metavar="HOST:PORT", default="127.0.0.1:5000", show_default=True, help="Where to listen. Without a host, everywhere; port 0 takes any."
)
@click.option("--default-domain", metavar="DOMAIN", default="docker.io", show_default=True, help="The registry of names that say none.")
@click.option("--read-only", is_flag=True, help="Take no pushes and deletes; the store may lie on read-only media.")
@click.option("--require-children", is_flag=True, help="Refuse an index while images it lists are missing.")
@click.option("--accept-missing-blobs", is_flag=True, help="Take images whose layers are missing too, for mirrors of a part.")
@click.option("--htpasswd", metavar="FILE", type=_FILE, help="Users and their passwords, hashed with bcrypt (`htpasswd -B`).")
@click.option("--no-anonymous", is_flag=True, help="Let only users read as well; needs --htpasswd.")
@click.option("--tls-cert", metavar="FILE", type=_FILE, help="A certificate chain (PEM): serve over TLS. Taken over anew when it is renewed.")
@click.option("--tls-key", metavar="FILE", type=_FILE, help="The certificate's key.")
@click.option("--tls-client-ca", metavar="FILE", type=_FILE, help="Take only clients with a certificate of these authorities.")
@click.option("--workers", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that share the address.")
@click.option("--grace", metavar="SECONDS", type=click.IntRange(0), default=60, show_default=True, help="How long transfers may go on when told to stop.")
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
    no_anonymous: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    workers: int,
    grace: int,
    quiet: bool,
) -> None:
    """Serve every image as a registry (OCI distribution 1.1), and take pushes; what another command imports can be pulled at once.

    Ends on SIGTERM or Ctrl-C, when running transfers are done.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if tls_client_ca is not None and tls_cert is None:
        raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key")
    if no_anonymous and htpasswd is None:
        raise click.UsageError("--no-anonymous needs --htpasswd: nobody could read")
    if require_children and accept_missing_blobs:
        raise click.UsageError("--require-children and --accept-missing-blobs contradict each other")
    host, port = _address(listen)
    from mirror.access import Access, read_htpasswd  # noqa: PLC0415 - `--help` does without
    from mirror.server import Certificate, Listening, serve  # noqa: PLC0415
    from mirror.service import MirrorSettings  # noqa: PLC0415
    from store import Store  # noqa: PLC0415
    from store.registry import Sparse  # noqa: PLC0415
    from storectl import render  # noqa: PLC0415

    sparse = Sparse.NOTHING if require_children else Sparse.BLOBS if accept_missing_blobs else Sparse.INDEXES
    users = {} if htpasswd is None else read_htpasswd(htpasswd.read_text(encoding="utf-8"))
    listening = Listening(
        host,
        port,
        certificate=None if tls_cert is None or tls_key is None else Certificate(tls_cert, tls_key, tls_client_ca),
        workers=workers,
        grace_s=grace,
        mirror=MirrorSettings(default_domain, Access(users, anonymous_read=not no_anonymous, read_only=read_only), sparse),
    )
    if not read_only:
        # Made, or brought up to date, once and before any worker begins.
        settings.open(create=True).close()
    _log(quiet=quiet)

    def open_store() -> Store:
        # Without a word about waiting: it is no news to a server that two of its requests write.
        return Store.open(settings.root, read_only=read_only, clock=settings.now)

    serve(open_store, listening, lambda address: render.line(f"serving {settings.root} on {address}"))


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise click.UsageError(f"--listen takes HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]") or "::", int(port)


def _log(*, quiet: bool) -> None:
    import logging  # noqa: PLC0415 - `--help` does without
    import sys  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
