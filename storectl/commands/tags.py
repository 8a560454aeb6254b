"""``tags``: the tags of a repository in a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.commands._remote_options import remote_options
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from remote.registry.repository import Repository
    from store import Reference
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings


@click.command(
    "tags",
    cls=Verb,
    examples=(
        "storectl tags debian",
        "storectl tags registry.example:5000/team/app",
        "storectl tags --full-ref quay.io/team/app",
    ),
)
@click.option("--full-ref", is_flag=True, help="Print the full names: REPOSITORY:TAG.")
@remote_options
@json_option
@click.argument("name", metavar="REPOSITORY")
@click.pass_obj
def command(
    settings: Settings, *, full_ref: bool, remote: RemoteOptions, as_json: bool, name: str
) -> None:
    """List the tags of a repository in a registry.

    REPOSITORY is a name as docker reads it, without a tag, or the same after `docker://`. The tags
    are in the order of the registry.
    """
    from remote.copying.single_documents import first_meaning  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415

    location = _repository(name)

    with remote.connected(settings) as connection:
        named = [location] if name.startswith("docker://") else connection.named_references(name)

        async def tags(number: int, repository: Repository) -> tuple[Reference, list[str]]:
            return named[number], [tag async for tag in repository.tags()]

        reference, found = connection.loop.run(
            first_meaning(
                [connection.pull_repositories(one.with_default_tag()) for one in named], tags
            )
        )
    prefix = f"{reference.repository}:" if full_ref else ""
    names = [f"{prefix}{tag}" for tag in found]
    if as_json:
        render.documents(names)
    else:
        render.lines(names)


def _repository(text: str) -> Reference:
    from remote.names import RegistryImage, Transport, parse_location  # noqa: PLC0415
    from store.errors import InvalidReference, printable  # noqa: PLC0415

    location = parse_location(text, Transport.REGISTRY)
    if not isinstance(location, RegistryImage):
        raise InvalidReference(
            f"cannot list the tags of {printable(text)!r}: it is not in a registry",
            text=text,
            hint="give the name of a repository in a registry; `storectl images` lists the store",
        )
    if not location.reference.is_name_only:
        raise InvalidReference(
            f"invalid repository {printable(text)!r}: expected a name without a tag or digest",
            text=text,
        )
    return location.reference
