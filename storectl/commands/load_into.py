"""``load-into``: images of the store into a Docker engine of this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from storectl.commands._remote import RemoteOptions
from storectl.commands._sending import JOBS, SendingOptions
from storectl.system.completion import image_names, platforms
from storectl.verb import Verb, checked_platform, json_option

if TYPE_CHECKING:
    from storectl.settings import Settings


@click.command(
    "load-into",
    cls=Verb,
    examples=(
        "storectl load-into docker team/app:1.4",
        "storectl load-into --address unix:///run/user/1000/docker.sock docker debian:12",
    ),
)
@click.option(
    "--address",
    metavar="unix://PATH",
    help="Socket of the engine.  [default: $DOCKER_HOST, else unix:///var/run/docker.sock]",
)
@click.option(
    "--platform",
    metavar="OS/ARCH",
    shell_complete=platforms,
    callback=checked_platform,
    help="Load the image for this platform.  [default: that of the engine]",
)
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress and notes.")
@json_option
@click.argument("engine", metavar="docker", type=click.Choice(["docker"]))
@click.argument("name", metavar="NAME", shell_complete=image_names)
@click.pass_obj
def command(
    settings: Settings,
    *,
    address: str | None,
    platform: str | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    engine: str,
    name: str,
) -> None:
    """Load an image into a Docker engine.

    The engine is sent only the layers that it lacks, and gets the image under its name here. This
    is `storectl push NAME docker-daemon:NAME`.
    """
    del engine
    from storectl.commands._transfers import push  # noqa: PLC0415 - `--help` does without

    if address is not None:
        settings = replace(settings, environment={**settings.environment, "DOCKER_HOST": address})
    options = SendingOptions(
        platforms=() if platform is None else (platform,),
        all_platforms=False,
        referrers=False,
        sparse=False,
        foreign_layers=False,
        jobs=JOBS,
        dry_run=dry_run,
        digest_file=None,
        quiet=quiet,
        as_json=as_json,
    )
    push(
        settings,
        name,
        f"docker-daemon:{name}",
        options,
        RemoteOptions(),
        all_tags=False,
        layers=None,
    )
