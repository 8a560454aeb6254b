"""``copy``: images from one registry to another, and between other places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from storectl.commands._remote_options import sided_remote_options
from storectl.commands._sending import SendingOptions, sending_options
from storectl.verb import Verb

if TYPE_CHECKING:
    from storectl.commands._remote import SidedOptions
    from storectl.settings import Settings


@click.command(
    "copy",
    cls=Verb,
    examples=(
        "storectl copy docker://debian:12 docker://registry.example:5000/debian:12",
        "storectl copy --platform linux/arm64 docker://debian:12 oci:layout:debian-12",
        "storectl copy docker-daemon:debian:12 store:mirror/debian:12",
        "storectl copy --referrers store:team/app:1.4 docker://registry.example:5000/team/app:1.4",
    ),
)
@sided_remote_options
@sending_options("-a", "--all", "--all-platforms")
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    source: str,
    destination: str,
    remote: SidedOptions,
    **options: Any,  # noqa: ANN401 - the values of `SendingOptions`
) -> None:
    """Copy an image from one place to another.

    SRC and DST begin with a transport, as in skopeo; a name without one is in a registry. From
    registry to registry, the layers are streamed and nothing is stored here. Manifests, indexes
    and layers are copied byte for byte, so that their digests stay the same.

    As in crane and regctl, an index is copied with all its platforms. With DST `store:NAME`, the
    image is stored here under NAME, and an index stays as it is, whatever its platforms.
    """
    given = SendingOptions(**options)
    given.require_consistent()
    settings: Settings = ctx.obj
    from storectl.commands._transfers import copy  # noqa: PLC0415 - `--help` does without

    copy(settings, source, destination, given, remote)
