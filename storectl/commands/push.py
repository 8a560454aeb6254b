"""``push``: images of the store into registries, and into other places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exporter.options import Layers
from storectl.commands._remote_options import remote_options
from storectl.commands._sending import SendingOptions, sending_options
from storectl.system.completion import image_names
from storectl.verb import Verb

if TYPE_CHECKING:
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings


@click.command(
    "push",
    cls=Verb,
    examples=(
        "storectl push registry.example:5000/team/app:1.4",
        "storectl push team/app:1.4 registry.example:5000/team/app:1.4",
        "storectl push --referrers --dry-run team/app:1.4 registry.example:5000/team/app:1.4",
        "storectl push --all-tags team/app registry.example:5000/team/app",
        "storectl push team/app:1.4 ssh://me@host.example/srv/store",
    ),
)
@click.option(
    "-a", "--all-tags", is_flag=True, help="Push all tags of a repository; NAME has no tag."
)
@click.option(
    "--layers",
    type=click.Choice([one.value for one in Layers]),
    help="Re-encode layers. This changes manifest digests but not image IDs.",
)
@remote_options
@sending_options("--all-platforms")
@click.argument("name", metavar="NAME", shell_complete=image_names)
@click.argument("destination", metavar="[DEST]", required=False)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    all_tags: bool,
    layers: str | None,
    name: str,
    destination: str | None,
    remote: RemoteOptions,
    **options: Any,  # noqa: ANN401 - the values of `SendingOptions`
) -> None:
    """Push an image to a registry.

    DEST is the name of the image there, as docker and podman spell it: [REGISTRY/]NAME[:TAG]. It
    can have one of skopeo's transports, or be a store on another machine:
    `ssh://[USER@]HOST[:PORT][/ROOT]`. Without DEST, the image is pushed to the registry that its
    NAME begins with. As in docker, a name without a tag means the tag latest.

    Manifests, indexes and layers are pushed byte for byte, so that their digests stay the same.
    Blobs that the registry has are not sent. The tag is set when everything else is there.
    """
    given = SendingOptions(**options)
    given.require_consistent()
    settings: Settings = ctx.obj
    from storectl.commands._transfers import push  # noqa: PLC0415 - `--help` does without

    push(settings, name, destination, given, remote, all_tags=all_tags, layers=layers)
