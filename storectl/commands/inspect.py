"""``inspect``: detailed information on images."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from storectl.commands._archives import archive_argument, explained
from storectl.commands._platform import platform_choice, platform_option
from storectl.commands._remote_options import remote_options
from storectl.commands._suggestions import suggesting
from storectl.system.completion import image_names, values
from storectl.verb import Verb, for_each

if TYPE_CHECKING:
    from store import Store
    from store.formats.image.docker_config import Config
    from store.model.platforms import PlatformChoice
    from store.queries.details import ImageDetails, LayerDetails, ManifestContents
    from storectl.commands._archives import ArchiveArgument
    from storectl.commands._described_places import PlaceArgument
    from storectl.commands._remote import RemoteOptions
    from storectl.output.exit_codes import ExitCode
    from storectl.settings import Settings

_NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time, which docker prints if the time of tagging is unknown."""


@click.command(
    "inspect",
    cls=Verb,
    examples=(
        "storectl inspect debian:12",
        "storectl inspect --format '{{.Id}} {{json .Config.Env}}' debian:12",
        "storectl inspect --platform linux/arm64 docker://quay.io/team/app:1.4",
    ),
)
@click.option(
    "-f",
    "--format",
    "template",
    metavar="FORMAT",
    shell_complete=values("json", "{{json .}}"),
    help=(
        "Format output: json (one line), or a Go template for each image: {{.Field}}, {{json .}},"
        " {{range .Field}}{{.}}{{end}}."
    ),
)
@platform_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print the result as one JSON document (the default)."
)
@remote_options
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def command(
    settings: Settings,
    *,
    template: str | None,
    platform: str | None,
    remote: RemoteOptions,
    as_json: bool,
    names: tuple[str, ...],
) -> ExitCode:
    """Show detailed information on images, as JSON.

    Docker's fields come first, then the layers with their chain IDs and blobs, the manifests and
    the child images.

    For an artifact, the output lists the content that the artifact points to. The same applies to
    a manifest or index that you name by its digest alone without --platform, and to an index
    without stored images.

    A NAME with a prefix of skopeo (docker-archive:, oci:, oci-archive:, dir:), or with a slash if
    such a file exists, is an archive or a folder. Its images are shown without importing them; its
    layers are not read.

    `docker://NAME` is an image in a registry, `ssh://[USER@]HOST[:PORT][/ROOT]::NAME` one in a
    store on another machine, and `registry-tree:DIR:NAME` one in the files of a registry. Only its
    documents are downloaded.
    """
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if template is not None and as_json:
        raise click.UsageError("--format and --json exclude each other")
    choice = platform_choice(settings, platform)
    archives = {
        name: found for name in names if (found := _elsewhere(settings, name, remote)) is not None
    }
    others = [name for name in names if name not in archives]
    with (
        explained(*others),
        settings.open() if archives.keys() < set(names) else nullcontext() as store,
    ):
        answers, code = for_each(
            names,
            lambda name: (
                _documents(archives[name], choice)
                if store is None or name in archives
                else [_of_store(store, name, choice)]
            ),
        )
    documents = [one for some in answers for one in some]
    if template is None:
        render.document(documents)
    elif template == "json":
        render.json_lines([documents])
    else:
        from storectl.output.go_template.template import Template  # noqa: PLC0415

        parsed = Template(template)
        for one in documents:
            # Keep line ends and tabs, because they may come from the template.
            render.text(parsed.apply(one))
    return code


def _elsewhere(
    settings: Settings, name: str, remote: RemoteOptions
) -> ArchiveArgument | PlaceArgument | None:
    """Return the archive or the other place that an argument names; None if it is in the store."""
    if "://" not in name and not name.startswith("registry-tree:"):
        return archive_argument(name)
    from storectl.commands._described_places import (  # noqa: PLC0415 - one kind of places
        place_argument,
    )

    return place_argument(settings, name, remote) or archive_argument(name)


def _documents(
    archive: ArchiveArgument | PlaceArgument, choice: PlatformChoice
) -> list[dict[str, Any]]:
    """Return the documents for the images and artifacts of an archive."""
    from store.previews.preview import platform_of  # noqa: PLC0415 - `--help` does without

    found = archive.read(choice)
    images = [one for one in found.named_images if choice.fits(platform_of(one.config))]
    manifests = () if choice.wanted else found.manifests
    return [*map(document, images), *map(manifest_document, manifests)]


def _of_store(store: Store, name: str, choice: PlatformChoice) -> dict[str, Any]:
    with explained(name), suggesting(store, name):
        return _document(store, name, choice)


def _document(store: Store, name: str, choice: PlatformChoice) -> dict[str, Any]:
    from store.errors import ImageNotFound  # noqa: PLC0415 - `--help` does without
    from store.names.resolve import parse_full_id  # noqa: PLC0415

    digest = parse_full_id(name)
    try:
        details = store.inspect(name, choice)
    except ImageNotFound:
        return manifest_document(store.inspect_manifest(name))
    if digest is not None and digest != details.image_id.digest and not choice.wanted:
        return manifest_document(store.inspect_manifest(name))
    return document(details)


def manifest_document(contents: ManifestContents) -> dict[str, Any]:
    """Return the JSON for an artifact or an index."""
    one = contents.summary
    return {
        "Digest": str(one.digest),
        "RepoTags": [name.familiar for name in one.references],
        "RepoDigests": sorted(
            {f"{name.repository.familiar}@{one.digest}" for name in (*one.references, *one.digests)}
        ),
        "Kind": one.kind,
        "MediaType": one.media_type,
        **({"ArtifactType": one.artifact_type} if one.artifact_type else {}),
        **({"Subject": str(one.subject)} if one.subject is not None else {}),
        "Size": one.size_bytes,
        "Links": [
            {
                "Role": link.role,
                "Digest": str(link.digest),
                "MediaType": link.media_type,
                "Size": link.size_bytes,
                "State": link.state.value,
                **({"Platform": dict(link.platform)} if link.platform else {}),
            }
            for link in contents.links
        ],
        "Referrers": [str(digest) for digest in contents.referrers],
    }


def document(details: ImageDetails) -> dict[str, Any]:
    """Return the JSON for one image.

    The fields of Docker 20.10's ``types.ImageInspect`` come first, in Docker's order. Then come
    storectl's fields. GraphDriver is left out: it is the place where an engine unpacks the image.
    """
    from storectl.output.render import time  # noqa: PLC0415 - `--help` does without

    config = details.config
    v1, history = config.v1, config.history
    return {
        "Id": str(details.image_id),
        "RepoTags": [
            tagged.reference.familiar
            for tagged in details.references
            if tagged.reference.digest is None
        ],
        "RepoDigests": sorted(
            {
                f"{tagged.reference.repository.familiar}@{tagged.manifest}"
                for tagged in details.references
            }
            | {name.familiar for name in details.digests}
        ),
        "Parent": "" if details.parent is None else str(details.parent),
        "Comment": v1.comment or (history[-1].comment if history else ""),
        "Created": str(config.created),
        "Container": v1.container,
        "ContainerConfig": _go_struct(v1.container_config),
        "DockerVersion": v1.docker_version,
        "Author": v1.author,
        "Config": _go_struct(v1.config),
        "Architecture": config.architecture,
        **({"Variant": config.variant} if config.variant else {}),
        "Os": config.os,
        **({"OsVersion": config.os_version} if config.os_version else {}),
        "Size": details.size_bytes,
        "VirtualSize": details.size_bytes,
        "RootFS": {
            "Type": "layers",
            **({"Layers": [str(diff) for diff in config.diff_ids]} if config.diff_ids else {}),
        },
        "Metadata": {"LastTagTime": time(details.last_tagged) or _NEVER},
        "Layers": [_layer(layer) for layer in details.layers],
        "Manifests": [
            {
                "Digest": str(one.digest),
                "MediaType": one.media_type,
                "Size": one.size_bytes,
                "Deterministic": one.deterministic,
            }
            for one in details.manifests
        ],
        "Children": [str(child) for child in details.children],
    }


def _layer(layer: LayerDetails) -> dict[str, Any]:
    return {
        "DiffID": str(layer.diff_id),
        "ChainID": str(layer.chain_id),
        "Size": layer.size_bytes,
        "State": "undecoded" if layer.undecoded else layer.state.value,
        "Blobs": [
            {
                "Digest": str(one.digest),
                "Codec": one.codec,
                "Size": one.size_bytes,
                "Seekable": one.seekable,
            }
            for one in layer.encodings
        ],
        **({"URLs": list(layer.urls)} if layer.urls else {}),
        **({"Undecoded": str(layer.undecoded)} if layer.undecoded else {}),
    }


def _go_struct(config: Config | None) -> Any:  # noqa: ANN401 - JSON
    """Return the members of a config that Go would write, in Go's order."""
    import json  # noqa: PLC0415 - `--help` does without

    from store.formats.image.docker_config import CONFIG  # noqa: PLC0415

    return None if config is None else json.loads(CONFIG.write(config))
