"""``manifest``: the exact bytes of a manifest, an index or a config."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from storectl.commands._remote_options import remote_options
from storectl.system.completion import platforms
from storectl.verb import Verb, checked_platform, json_option

if TYPE_CHECKING:
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings


@click.command(
    "manifest",
    cls=Verb,
    examples=(
        "storectl manifest debian:12",
        "storectl manifest --platform linux/arm64 debian:12 | jq .layers",
        "storectl manifest --config store:team/app:1.4",
    ),
)
@click.option(
    "--platform",
    metavar="OS/ARCH",
    shell_complete=platforms,
    callback=checked_platform,
    help=(
        "Choose the image for this platform from an index.  [default: the index itself; with"
        " --config, this machine's]"
    ),
)
@click.option("--config", is_flag=True, help="Print the config of the image instead.")
@remote_options
@json_option
@click.argument("reference", metavar="REF")
@click.pass_obj
def command(
    settings: Settings,
    *,
    platform: str | None,
    config: bool,
    remote: RemoteOptions,
    as_json: bool,
    reference: str,
) -> None:
    """Print the manifest or index of an image, byte for byte.

    REF is the name of an image in a registry, or begins with one of skopeo's transports;
    `store:NAME` is an image of the store. Of an archive or a folder, a temporary copy is made.

    The SHA-256 of the output is the image's digest. On a terminal, control characters are escaped.
    """
    from store import Platform  # noqa: PLC0415 - `--help` does without
    from storectl.commands._named_documents import find_document  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415

    wanted = None if platform is None else Platform.parse(platform)
    found = find_document(settings, reference, wanted, remote, with_config=config)
    data = found.document.data if found.config is None else found.config
    if as_json:
        render.document(
            {
                "Name": found.name,
                "Digest": str(found.document.digest),
                "MediaType": found.document.media_type,
                "Size": len(found.document.data),
                "Content": data.decode(errors="replace"),
            }
        )
    elif _is_terminal():
        render.text(data.decode(errors="replace"))
    else:
        _write(data)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _write(data: bytes) -> None:
    from store.files.os_errors import Whose, translated  # noqa: PLC0415 - `--help` does without

    with translated("standard output", whose=Whose.OUTPUT):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
