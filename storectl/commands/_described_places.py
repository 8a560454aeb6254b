"""Images of registries and other places that `inspect` and `images` show.

Their documents are fetched into a temporary folder, an image layout without layers, and shown as
those of any layout.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, final

from remote.copying.registry_source import RegistryBlobs
from remote.copying.single_documents import MAX_CONFIG_BYTES, fetch_root, read_config
from remote.names import HostImage, RegistryImage, RegistryTree, Transport, parse_location
from remote.names.transports import split_transport
from remote.registry.values import Tag
from store.errors import ImageNotFound, InvalidInput, TooLarge, printable
from store.formats.image.layout_names import ATTESTED, CONTAINERD_NAME, INDEX
from store.formats.image.manifests import Kind, Role
from store.formats.image.media_types import OCI_INDEX
from store.model.references import Reference
from storectl.commands._archives import ArchiveArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.copying.image_repository import ImageRepository
    from remote.registry.repository import Repository
    from remote.registry.values import ManifestReference
    from store.formats.image.manifests import Document
    from store.model.platforms import Platform, PlatformChoice
    from store.previews.preview import Preview
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings

_TRANSPORTS: Final = {Transport.REGISTRY, Transport.HOST, Transport.REGISTRY_TREE}

MAX_TAGS: Final = 20_000
"""The most tags of the files of a registry that are listed."""


@final
@dataclass(frozen=True, slots=True)
class PlaceArgument:
    """An argument that names images of a registry, of another machine or of a registry's files.

    Attributes:
        settings: The settings of the run.
        text: The name, as the user wrote it.
        remote: How registries are reached.
        is_list: Whether the name may stand for several images.
    """

    settings: Settings
    text: str
    remote: RemoteOptions
    is_list: bool = False

    def read(self, choice: PlatformChoice) -> Preview:
        """Return what the documents say; layers are neither fetched nor read.

        Args:
            choice: The image that the name of an index stands for.

        Raises:
            StoreError: The image cannot be found, or its documents cannot be read.
        """
        location = parse_location(self.text)
        with TemporaryDirectory(prefix="storectl-documents-") as folder:
            layout = _Layout(Path(folder), choice)
            if isinstance(location, RegistryTree):
                asyncio.run(_read_tree(location, layout, is_list=self.is_list))
            else:
                self._ask(layout)
            layout.finish()
            # What is absent is what nobody has asked for.
            return ArchiveArgument(Path(folder), "").read(choice, with_notes=False)

    def _ask(self, layout: _Layout) -> None:
        from storectl.commands._named_documents import (  # noqa: PLC0415 - files need none
            ask_repositories,
        )

        async def ask(name: str, repository: Repository, named: ManifestReference) -> None:
            shown = name
            location = parse_location(self.text)
            if isinstance(location, HostImage):
                from storectl.commands._far_stores import (  # noqa: PLC0415 - one kind of places
                    pulled_reference,
                )

                shown = str(pulled_reference(self.text))
            await layout.add(repository, named, shown)

        ask_repositories(self.settings, self.text, self.remote, ask)


def place_argument(
    settings: Settings, text: str, remote: RemoteOptions, *, is_list: bool = False
) -> PlaceArgument | None:
    """Return the place that an argument names; None if it is of another kind.

    Args:
        settings: The settings of the run.
        text: The argument.
        remote: How registries are reached.
        is_list: Whether the name may stand for several images.

    Raises:
        InvalidReference: The name is not valid.
    """
    transport = split_transport(text)[0]
    if transport not in _TRANSPORTS or (is_list and transport is not Transport.REGISTRY_TREE):
        return None
    location = parse_location(text)
    assert isinstance(location, RegistryImage | HostImage | RegistryTree)  # noqa: S101 - by the prefix
    return PlaceArgument(settings, text, remote, is_list)


async def _read_tree(place: RegistryTree, layout: _Layout, *, is_list: bool) -> None:
    """Read the documents of one image in a registry's files, or of all images with tags."""
    from remote.copying.tree_repository import opened_tree  # noqa: PLC0415 - one kind of places
    from store.registry_tree.selection import Wanted  # noqa: PLC0415

    wanted = None if place.name is None else Wanted.parse(place.name)
    if not is_list or (wanted is not None and wanted.is_one_image):
        with opened_tree(place) as (repository, named):
            name = f"{repository.name}{':' if isinstance(named, Tag) else '@'}{named}"
            await layout.add(repository, named, name)
        return
    count = 0
    for name in _repositories(place) if wanted is None else (wanted.repository,):
        with opened_tree(replace(place, name=name)) as (repository, _):
            for tag in repository.tags:
                count += 1
                if count > MAX_TAGS:
                    raise TooLarge(
                        f"cannot list {printable(str(place))}: it has more than {MAX_TAGS} tags",
                        limit=MAX_TAGS,
                        hint="name one repository, as in registry-tree:DIR:NAME",
                    )
                # A broken image does not hide the others; a check of the files reports it.
                with suppress(ImageNotFound, InvalidInput):
                    await layout.add(repository, Tag(tag), f"{name}:{tag}")


def _repositories(place: RegistryTree) -> Iterator[str]:
    from store.registry_tree.disk import Tree  # noqa: PLC0415 - one kind of places
    from store.registry_tree.findings import Findings  # noqa: PLC0415
    from store.registry_tree.repositories import read_links, repositories  # noqa: PLC0415

    with Tree(place.path) as tree:
        findings = Findings(tree.limits.findings)
        for name in repositories(tree, findings):
            if read_links(tree, name, findings).tags:
                yield name


@final
class _Layout:
    """A folder that becomes an image layout without layers.

    Args:
        folder: An empty folder.
        choice: The image of an index to read.
    """

    def __init__(self, folder: Path, choice: PlatformChoice) -> None:
        self._folder = folder
        self._choice = choice
        self._entries: list[dict[str, Any]] = []

    async def add(
        self, repository: ImageRepository, reference: ManifestReference, name: str
    ) -> None:
        """Read the documents of an image.

        Args:
            repository: The repository that has the image.
            reference: Its tag or digest.
            name: The name that it is shown with.

        Raises:
            StoreError: A document cannot be read.
        """
        root = (await repository.manifest(reference)).document
        image = root
        if root.kind is Kind.INDEX:
            chosen = self._chosen(root)
            if chosen is not None:
                image = await fetch_root(repository, root.digest, chosen)
        for document in {root.digest: root, image.digest: image}.values():
            self._write(document.digest.algorithm, document.digest.hex, document.data)
        link = next((one for one in image.links if one.role is Role.CONFIG), None)
        if link is not None and link.target.size_bytes <= MAX_CONFIG_BYTES:
            data = await read_config(name, image, RegistryBlobs(repository))
            self._write(link.digest.algorithm, link.digest.hex, data)
        named = Reference.parse(name)
        if named.digest is not None:
            named = Reference(named.repository, digest=named.digest)
        self._entries.append(
            {
                "mediaType": root.media_type,
                "digest": str(root.digest),
                "size": len(root.data),
                "annotations": {CONTAINERD_NAME: str(named)},
            }
        )

    def _chosen(self, index: Document) -> Platform | None:
        """Return the platform of the image that the name of an index stands for."""
        links = [link for link in index.links if link.is_document]
        offers = [None if ATTESTED in link.annotations else link.made_for for link in links]
        position = self._choice.choose(offers)
        if position is not None:
            return offers[position]
        return self._choice.wanted[0] if self._choice.wanted else None

    def finish(self) -> None:
        """Write the files that make the folder an image layout."""
        (self._folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self._entries}
        (self._folder / INDEX).write_text(json.dumps(document))

    def _write(self, algorithm: str, name: str, data: bytes) -> None:
        folder = self._folder / "blobs" / algorithm
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
