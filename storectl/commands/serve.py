"""``serve``: the store as a registry."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storectl.commands._ceilings import Size, limits
from storectl.commands._scrub_options import Age, Rate
from storectl.commands._serve_options import MIN_SCRUB_EVERY, KeptEvents
from storectl.commands._server_settings import ServeOptions, server_settings
from storectl.commands._settings_file import note_arguments, read_again, use_settings
from storectl.commands._sync_table import MIN_EVERY, SyncValue
from storectl.commands._upstream_opening import UpstreamOpening
from storectl.commands._upstream_options import given_flags, upstream_options
from storectl.system.groups import shared_option
from storectl.system.parameters import FilePath, WholeNumber
from storectl.verb import SectionOption, Verb
from storectl.version import __version__

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from storectl.settings import Settings

# Click does not check these files: the mirror reads them and reports errors with its exit codes.
_FILE = FilePath(path_type=Path)

_network, _access, _tls, _images, _syncs, _limits, _scrub, _events, _log = (
    partial(click.option, cls=SectionOption, section=title)
    for title in (
        *("Network", "Access", "TLS", "Images", "Syncs", "Limits", "Scrub", "Events", "Log"),
    )
)


class _Serve(Verb):
    """The command, which reads its arguments again with its settings file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and remember them for `read_again`."""
        note_arguments(ctx, args)
        return super().parse_args(ctx, args)


@click.command(
    "serve",
    cls=_Serve,
    examples=(
        "storectl serve",
        "storectl serve --listen :443 --tls-cert cert.pem --tls-key key.pem --htpasswd users",
        "storectl serve --listen 0.0.0.0:5000 --open",
        "storectl serve --config /etc/storectl/serve.toml",
    ),
)
@click.option(
    "--config",
    metavar="FILE",
    type=_FILE,
    is_eager=True,
    callback=use_settings,
    help="Read settings from this TOML file; it is read again on SIGHUP.",
)
@_network(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:5000",
    show_default=True,
    help="Address to listen on. Without HOST, all addresses; port 0 takes any free port.",
)
@_network(
    "--stdio",
    is_flag=True,
    help=(
        "Serve one connection on standard input and output, without a port or a login, until the"
        " input ends; `ssh://` runs this on the other machine."
    ),
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
@upstream_options
@_syncs(
    "--sync",
    "syncs",
    metavar="FILE",
    multiple=True,
    type=SyncValue(),
    help=(
        "Keep the store equal with what this file lists, as `storectl sync` does (repeatable). A"
        " [[sync]] table of the settings file has a schedule and options of its own."
    ),
)
@_syncs(
    "--sync-every",
    type=Age(MIN_EVERY),
    metavar="AGE",
    default="24h",
    show_default=True,
    help="Time from the beginning of a sync to the next one.",
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
@_scrub(
    "--scrub-every",
    type=Age(MIN_SCRUB_EVERY),
    metavar="AGE",
    default="720h",
    show_default=True,
    help=(
        "Read stored content again when its last check is older than this, to find damage before a"
        " client does; 0 never."
    ),
)
@_scrub(
    "--scrub-rate",
    type=Rate(),
    metavar="MB/s",
    default="10",
    show_default=True,
    help="Megabytes per second that the scrub reads at most.",
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
def command(
    settings: Settings,
    /,
    *,
    config: Path | None,
    **given: Any,  # noqa: ANN401 - the values of `ServeOptions`
) -> None:
    """Serve the store as a registry (OCI distribution 1.1) that accepts pushes.

    Images that other commands import can be pulled immediately. Archives of images are served at
    /archives/legacy|docker|oci/NAME.

    Without --htpasswd and --rules, clients on this machine may push and delete. If other machines
    can reach the server, clients may only read, unless --open is given.

    SIGTERM and Ctrl-C stop the server when the running transfers have finished, or a few seconds
    after --grace whatever it is doing. Certificates, users and rules are read again when their
    files change, and on SIGHUP.

    Every option can be a setting of the --config file, without its dashes: `listen = ":5000"`,
    `open = true`, `offer = ["zstd"]`. Options take precedence. Paths are relative to the folder of
    the file. On SIGHUP, the file is read again. What it says of certificates, users, rules,
    upstream registries, limits of the cache, syncs and the log takes effect at once, and the log
    names the settings that need a restart.
    """
    context = click.get_current_context()
    options = ServeOptions(**given, upstream_flags=given_flags(context))
    options.check()
    import logging  # noqa: PLC0415 - `--help` does without

    # This has to be before the server imports aiohttp.
    import_module("remote.http.lean_aiohttp")

    from mirror.jobs.cache import CacheRules  # noqa: PLC0415 - `--help` does without
    from mirror.jobs.syncs import SyncSchedule  # noqa: PLC0415 - `--help` does without
    from mirror.server import ServerSettings, serve  # noqa: PLC0415 - `--help` does without
    from store import Store  # noqa: PLC0415
    from store.content.decoding import Decoding  # noqa: PLC0415
    from store.errors import InvalidInput  # noqa: PLC0415
    from store.model.waiting import SERVER_WAIT_LIMIT_S, Waiting  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415
    from storectl.system.malloc import SERVER_KEEPS_BYTES, keep_freed  # noqa: PLC0415

    keep_freed(SERVER_KEEPS_BYTES)
    read_only = options.read_only
    again = partial(read_again, context)
    opening, schedule, cache = UpstreamOpening(), SyncSchedule(), CacheRules()

    def reread() -> tuple[ServerSettings, Sequence[str]]:
        try:
            new = ServeOptions(**again(), upstream_flags=options.upstream_flags)
            new.check()
            effective, waiting = options.changed_to(new)
            found = server_settings(effective, settings, None, opening, schedule, cache)
        except click.UsageError as error:
            raise InvalidInput(error.format_message()) from None
        _set_log(handler, effective.log_format, quiet=effective.quiet)
        return found, waiting

    server = server_settings(
        options, settings, None if config is None else reread, opening, schedule, cache
    )
    if options.stdio:
        # The messages appear on the terminal of a user on another machine.
        handler = _configure_logging(options.log_format or "text", quiet=True)
        logging.getLogger().setLevel(logging.WARNING)
    else:
        handler = _configure_logging(options.log_format, quiet=options.quiet)

    def report_creation(root: Path) -> None:
        logging.getLogger(__name__).info("created a store in %s", root)

    def prepare() -> None:
        # Create or upgrade the store once, before any worker starts.
        if not read_only:
            settings.open(
                create=True, group=options.group, on_create=report_creation, frees=True
            ).close()

    def open_store() -> Store:
        store = Store.open(
            settings.root,
            read_only=read_only,
            frees=not read_only,
            clock=settings.now,
            # No on_wait: in a server, requests often wait for each other to write.
            waiting=Waiting(SERVER_WAIT_LIMIT_S),
            decoding=Decoding.of_server(limits(options.max_layer_size, options.max_ratio)),
        )
        store.refill_reserve()
        return store

    if options.stdio:
        from mirror.stdio import serve_stdio  # noqa: PLC0415 - one option

        serve_stdio(open_store, server, prepare, version=__version__)
        return
    serve(
        open_store,
        server,
        lambda address: render.line(f"serving {settings.root} on {address}"),
        prepare,
    )


def _configure_logging(log_format: str | None, *, quiet: bool) -> logging.Handler:
    import logging  # noqa: PLC0415 - `--help` does without

    handler = logging.StreamHandler(sys.stderr)
    _set_log(handler, log_format, quiet=quiet)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    return handler


def _set_log(handler: logging.Handler, log_format: str | None, *, quiet: bool) -> None:
    import logging  # noqa: PLC0415 - `--help` does without

    from mirror.process.logs import ACCESS, JsonLines, Text  # noqa: PLC0415

    if log_format is None:
        log_format = "text" if sys.stderr is not None and sys.stderr.isatty() else "json"
    handler.setFormatter(JsonLines() if log_format == "json" else Text())
    ACCESS.setLevel(logging.WARNING if quiet else logging.NOTSET)
