"""One image in full: ``inspect`` and ``history``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from storectl.completing import image_names
from storectl.units import human_age, human_size

if TYPE_CHECKING:
    from store.model import ImageDetails
    from storectl.settings import Settings

MISSING = "<missing>"
_SHOWN = 45


@click.command("inspect", epilog="Example: storectl inspect debian:12")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (as without).")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def inspect_command(settings: Settings, *, as_json: bool, names: tuple[str, ...]) -> None:
    """Show everything about images as JSON: docker's fields, then layers, chain IDs, blobs, manifests and children."""
    from storectl import render  # noqa: PLC0415

    del as_json
    with settings.open() as store:
        render.document([_inspect(store.inspect(name)) for name in names])


def _inspect(details: ImageDetails) -> dict[str, Any]:
    from store.v1image import CONFIG, Config  # noqa: PLC0415

    def shown(config: Config | None) -> Any:  # noqa: ANN401 - JSON
        return None if config is None else json.loads(CONFIG.write(config))

    config = details.config
    return {
        "Id": str(details.image_id),
        "RepoTags": [tagged.reference.familiar for tagged in details.references],
        "RepoDigests": sorted({f"{tagged.reference.repository.familiar}@{tagged.manifest}" for tagged in details.references}),
        "Parent": "" if details.parent is None else str(details.parent),
        "Comment": config.comment,
        "Created": str(config.created),
        "Container": config.v1.container,
        "ContainerConfig": shown(config.v1.container_config),
        "DockerVersion": config.docker_version,
        "Author": config.author,
        "Config": shown(config.config),
        "Architecture": config.architecture,
        **({"Variant": config.variant} if config.variant else {}),
        "Os": config.os,
        "Size": details.size_bytes,
        "VirtualSize": details.size_bytes,
        "RootFS": {"Type": "layers", "Layers": [str(diff) for diff in config.diff_ids]},
        "Metadata": {"LastTagTime": None if details.last_tagged is None else details.last_tagged.isoformat()},
        "Layers": [
            {
                "DiffID": str(layer.diff_id),
                "ChainID": str(layer.chain_id),
                "Size": layer.size_bytes,
                "State": layer.state.value,
                "Blobs": [{"Digest": str(one.digest), "Codec": one.codec, "Size": one.size_bytes, "Seekable": one.seekable} for one in layer.encodings],
                **({"URLs": list(layer.urls)} if layer.urls else {}),
            }
            for layer in details.layers
        ],
        "Manifests": [
            {"Digest": str(one.digest), "MediaType": one.media_type, "Size": one.size_bytes, "Deterministic": one.deterministic} for one in details.manifests
        ],
        "Children": [str(child) for child in details.children],
    }


@click.command("history", epilog="Example: storectl history --no-trunc debian:12")
@click.option("--no-trunc", is_flag=True, help="Show whole commands.")
@click.option("-q", "--quiet", is_flag=True, help="Show IDs only.")
@click.option("-H", "--human/--no-human", default=True, help="Sizes and ages for people.  [default: on]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument("name", shell_complete=image_names)
@click.pass_obj
def history_command(settings: Settings, *, no_trunc: bool, quiet: bool, human: bool, as_json: bool, name: str) -> None:
    """Show how an image was made, newest step first, as `docker history` does."""
    from storectl import render  # noqa: PLC0415

    with settings.open() as store:
        details = store.inspect(name)
    steps = _steps(details, no_trunc=no_trunc or as_json)
    if as_json:
        render.document(steps)
        return
    if quiet:
        for step in steps:
            click.echo(step["id"])
        return
    now = datetime.now(UTC)
    head = ["IMAGE", "CREATED" if human else "CREATED AT", "CREATED BY", "SIZE", "COMMENT"]
    rows = []
    for step in steps:
        created = None if step["created"] is None else datetime.fromisoformat(step["created"])
        age = human_age(created, now) if human else step["created"] or ""
        rows.append([step["id"], age, _cut(step["createdBy"], whole=no_trunc), human_size(step["size"]) if human else str(step["size"]), step["comment"]])
    render.table(head, rows)


def _steps(details: ImageDetails, *, no_trunc: bool) -> list[dict[str, Any]]:
    layers = iter(details.layers)
    steps = []
    for entry in details.config.history:
        layer = None if entry.empty_layer else next(layers, None)
        created = entry.created.utc()
        steps.append(
            {
                "id": MISSING,
                "created": None if created is None else created.isoformat(),
                "createdBy": entry.created_by,
                "size": 0 if layer is None else layer.size_bytes,
                "comment": entry.comment,
            }
        )
    if steps:
        steps[-1]["id"] = str(details.image_id) if no_trunc else details.image_id.digest.short
    return steps[::-1]


def _cut(text: str, *, whole: bool) -> str:
    return text if whole or len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
