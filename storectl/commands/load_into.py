"""``load-into``: images of the store into a Docker engine or containerd of this machine."""

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
        "storectl load-into --namespace k8s.io ctr registry.k8s.io/pause:3.10",
    ),
)
@click.option(
    "--address",
    metavar="unix://PATH",
    help=(
        "Socket of the engine.  [default: docker: $DOCKER_HOST, else unix:///var/run/docker.sock;"
        " ctr: as ctr says]"
    ),
)
@click.option(
    "--namespace",
    metavar="NAME",
    help="Namespace of containerd, such as k8s.io.  [default: as ctr says]",
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
@click.argument("engine", metavar="docker|ctr", type=click.Choice(["docker", "ctr"]))
@click.argument("name", metavar="NAME", shell_complete=image_names)
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    address: str | None,
    namespace: str | None,
    platform: str | None,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    engine: str,
    name: str,
) -> None:
    """Load an image into a Docker engine or a containerd.

    The engine is sent only what it lacks, and gets the image under its name here. With `docker`,
    this is `storectl push NAME docker-daemon:NAME`.

    With `ctr`, the image is sent to `ctr images import`, which needs the rights of ctr. Of an
    index, the image for one platform is loaded, and the digest of the index stays.
    """
    if namespace is not None and engine != "ctr":
        raise click.UsageError("--namespace is for ctr")
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
    if engine == "ctr":
        from storectl.commands._containerd import containerd, load  # noqa: PLC0415 - one engine

        found = containerd(settings.environment, address, namespace, platform)
        load(settings, found, name, options)
        return
    from storectl.commands._transfers import push  # noqa: PLC0415 - `--help` does without

    if address is not None:
        settings = replace(settings, environment={**settings.environment, "DOCKER_HOST": address})
    push(
        settings,
        name,
        f"docker-daemon:{name}",
        options,
        RemoteOptions(),
        all_tags=False,
        layers=None,
    )
