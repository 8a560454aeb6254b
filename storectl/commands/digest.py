"""``digest``: the digest of an image in a registry or another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.commands._remote_options import remote_options
from storectl.system.completion import platforms
from storectl.verb import Verb, checked_platform, json_option

if TYPE_CHECKING:
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings


@click.command(
    "digest",
    cls=Verb,
    examples=(
        "storectl digest debian:12",
        "storectl digest --platform linux/arm64 quay.io/team/app:1.4",
        "storectl digest store:team/app:1.4",
    ),
)
@click.option(
    "--platform",
    metavar="OS/ARCH",
    shell_complete=platforms,
    callback=checked_platform,
    help="Choose the image for this platform from an index.  [default: the index itself]",
)
@click.option("--full-ref", is_flag=True, help="Print the name as well: NAME@DIGEST.")
@remote_options
@json_option
@click.argument("reference", metavar="REF")
@click.pass_obj
def command(
    settings: Settings,
    *,
    platform: str | None,
    full_ref: bool,
    remote: RemoteOptions,
    as_json: bool,
    reference: str,
) -> None:
    """Print the digest of an image's manifest or index.

    REF is the name of an image in a registry, or begins with one of skopeo's transports;
    `store:NAME` is an image of the store. A registry is only asked for the digest: neither layers
    nor the manifest are downloaded.
    """
    from store import Platform  # noqa: PLC0415 - `--help` does without
    from storectl.commands._named_documents import find_descriptor  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415

    wanted = None if platform is None else Platform.parse(platform)
    name, found = find_descriptor(settings, reference, wanted, remote)
    if as_json:
        render.document(
            {
                "Name": name,
                "Digest": str(found.digest),
                "MediaType": found.media_type,
                "Size": found.size_bytes,
            }
        )
    else:
        render.line(f"{name.partition('@')[0]}@{found.digest}" if full_ref else str(found.digest))
