"""The plan of an archive in the format legacy, as Docker ≤ 24 writes it (docker-archive.md §3, §4).

Each layer has a folder with a tar. If two folders have the same tar, the second tar is a symbolic
link to the first. ``repositories`` and ``manifest.json`` name the images.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from exporter.planning.plan import Entry, EntryType, Plan
from exporter.planning.v1_layers import v1_layers
from store.errors import IncompleteImage, InvalidInput, NothingToExport, printable
from store.formats.golang.json_writing import quote
from store.model.contents import ContentState
from store.model.digests import DEFAULT_ALGORITHM
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.planning.v1_layers import V1Layer
    from exporter.selection.legacy_images import SelectedImage, Selection
    from store.formats.image.config import ImageConfig
    from store.model.digests import DiffID, Digest, ImageID

# Docker ≤ 23 leaves the file type bits in the mode field.
DIRECTORY_MODE: Final = 0o040755
FILE_MODE: Final = 0o100644
LINK_MODE: Final = 0o120777
VERSION: Final = b"1.0"


@dataclass(slots=True)
class _Archive:
    """The archive as it grows: entries by top-level name, and the folder that holds each diff."""

    top: dict[str, list[Entry]] = field(default_factory=dict)
    holder: dict[DiffID, str] = field(default_factory=dict)


def plan(selection: Selection, config_of: Callable[[Digest], ImageConfig]) -> Plan:
    """Plan the archive.

    Images are in the order of the arguments, and symbolic links have the image's creation time.
    Docker's order and times vary from save to save.

    Args:
        selection: The images and their content.
        config_of: Returns the config that has a digest.

    Raises:
        NothingToExport: An image has no layers.
        InvalidInput: The ID of an image is not a sha256 digest.
        IncompleteImage: A layer is not in the store.
    """
    archive = _Archive()
    included = {image.image_id for image in selection.images}
    items: list[bytes] = []
    repositories: dict[str, dict[str, str]] = {}
    for image in selection.images:
        if not image.layers:
            raise NothingToExport(
                f"{image.image_id}: empty export - not implemented",
                hint="a legacy archive cannot hold an image without layers",
                remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
        if image.image_id.digest.algorithm != DEFAULT_ALGORITHM:
            # Readers would compute another ID from the config's bytes.
            raise InvalidInput(
                f"cannot save {image.image_id} in the format legacy: its image IDs are sha256"
                " digests",
                remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
        config = config_of(image.image_id.digest)
        mtime = config.created.mtime()
        layers = v1_layers(config, [layer.chain_id for layer in image.layers])
        for v1, layer in zip(layers, image.layers, strict=True):
            _add_layer(archive, v1, layer.diff_id, image.image_id, selection, mtime)
        name = f"{image.image_id.digest.hex}.json"
        archive.top.setdefault(
            name, [Entry(name, EntryType.FILE, FILE_MODE, mtime, len(config.data), config.data)]
        )
        items.append(_item(image, layers, selection, included))
        for tag in image.tags:
            repositories.setdefault(tag.repository.familiar, {})[tag.tag or ""] = layers[-1].v1_id
    _add_document(archive, "manifest.json", (b"[" + b",".join(items) + b"]") if items else b"null")
    if repositories:
        _add_document(
            archive,
            "repositories",
            _object(
                {
                    name: _object({tag: quote(v1_id) for tag, v1_id in tags.items()})
                    for name, tags in repositories.items()
                }
            ),
        )
    # Members are sorted by name without the slash: "<id>" (a folder) and "<id>.json" interleave.
    return Plan(
        tuple(entry for name in sorted(archive.top, key=str.encode) for entry in archive.top[name]),
        selection.notes,
    )


def _add_layer(
    archive: _Archive,
    v1: V1Layer,
    diff: DiffID,
    image_id: ImageID,
    selection: Selection,
    mtime: int,
) -> None:
    folder = v1.v1_id
    if folder in archive.top:
        return
    holder = archive.holder.get(diff)
    if holder is None:
        sources = selection.sources.get(diff.digest)
        if sources is None or sources.state is ContentState.ABSENT:
            raise _missing(diff, selection.foreign.get(image_id, {}))
        layer = Entry(
            f"{folder}/layer.tar", EntryType.FILE, FILE_MODE, mtime, sources.size_bytes, sources
        )
        archive.holder[diff] = folder
    else:
        layer = Entry(
            f"{folder}/layer.tar",
            EntryType.SYMLINK,
            LINK_MODE,
            mtime,
            link=f"../{holder}/layer.tar",
        )
    archive.top[folder] = [
        Entry(f"{folder}/", EntryType.DIRECTORY, DIRECTORY_MODE, mtime),
        Entry(f"{folder}/VERSION", EntryType.FILE, FILE_MODE, mtime, len(VERSION), VERSION),
        Entry(f"{folder}/json", EntryType.FILE, FILE_MODE, mtime, len(v1.json), v1.json),
        layer,
    ]


def _missing(diff: DiffID, foreign: Mapping[Digest, bytes]) -> IncompleteImage:
    urls = json.loads(foreign.get(diff.digest, b"{}")).get("urls", [])
    if urls:
        return IncompleteImage(
            f"cannot save foreign layer {diff} in the format legacy: the store does not have it."
            f" It can be downloaded from {', '.join(printable(url) for url in urls)}",
            missing=[str(diff)],
            hint="import an archive that holds the layer",
            remedy=Remedy.SAVE_AS_OCI,
        )
    return IncompleteImage(
        f"cannot save layer {diff} in the format legacy: the store does not have it",
        missing=[str(diff)],
        hint="import an archive that holds the layer",
        remedy=Remedy.SAVE_AS_OCI,
    )


def _add_document(archive: _Archive, name: str, value: bytes) -> None:
    data = value + b"\n"
    archive.top[name] = [Entry(name, EntryType.FILE, FILE_MODE, 0, len(data), data)]


def _item(
    image: SelectedImage, layers: tuple[V1Layer, ...], selection: Selection, included: set[ImageID]
) -> bytes:
    members = [
        b'"Config":' + quote(f"{image.image_id.digest.hex}.json"),
        b'"RepoTags":' + (_list([tag.familiar for tag in image.tags]) if image.tags else b"null"),
        b'"Layers":' + _list([f"{layer.v1_id}/layer.tar" for layer in layers]),
    ]
    if image.parent is not None and image.parent in included and image.parent != image.image_id:
        members.append(b'"Parent":' + quote(str(image.parent)))
    known = selection.foreign.get(image.image_id, {})
    foreign = {
        str(layer.diff_id): known[layer.diff_id.digest]
        for layer in image.layers
        if layer.diff_id.digest in known
    }
    if foreign:
        members.append(b'"LayerSources":' + _object(foreign))
    return b"{" + b",".join(members) + b"}"


def _list(texts: list[str]) -> bytes:
    return b"[" + b",".join(quote(text) for text in texts) + b"]"


def _object(members: Mapping[str, bytes]) -> bytes:
    return (
        b"{"
        + b",".join(quote(key) + b":" + members[key] for key in sorted(members, key=str.encode))
        + b"}"
    )
