"""A Docker engine as the receiver of a copy: it is sent only the layers that it lacks.

An engine finds a layer by the layers below it and its diff ID. It opens the file of a layer in an
archive only if it lacks the layer, so an archive may leave out files of the others. Source: moby,
image/tarexport/load.go.
"""

from __future__ import annotations

import json
from asyncio import to_thread
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from exporter.planning import layout
from exporter.planning.plan import Plan
from remote.copying.single_documents import read_config
from remote.copying.streamed_archive import stream_archive
from remote.engine.connection import EngineRefused
from remote.pushing.report import Delivered, Outcome, Survey
from store.errors import InvalidDocument, InvalidInput
from store.formats.image.config import ImageConfig
from store.formats.image.graph_walk import links_below
from store.formats.image.layout_names import ATTESTED
from store.formats.image.manifests import Kind, Role
from store.model.limits import DEFAULT_LIMITS
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from exporter.planning.plan import Entry
    from remote.engine.docker import DockerEngine, EngineFacts
    from remote.pushing.image import SentImage
    from remote.pushing.report import Listener
    from store.formats.image.manifests import Document
    from store.model.digests import Descriptor
    from store.model.progress import Progress
    from store.model.references import Reference

_ZSTD: Final = ("+zstd", ".zstd")


@final
class EngineTarget:
    """A Docker engine that receives an image under a name.

    Args:
        engine: The engine.
        reference: The name of the image there, with a tag.
        progress: Receives the progress of each blob.
        listener: Is told about each blob.
    """

    def __init__(
        self, engine: DockerEngine, reference: Reference, *, progress: Progress, listener: Listener
    ) -> None:
        self._engine = engine
        self._reference = reference
        self._progress = progress
        self._listener = listener

    async def survey(self, image: SentImage) -> Survey:
        """Return the layers that the engine lacks."""
        loaded = await self._loaded(image)
        missing = {one.digest: one for one in loaded.layers[loaded.held :]}
        held = {one.digest: one for one in loaded.layers[: loaded.held]}
        name = str(self._reference)
        return Survey(
            () if loaded.is_named else tuple(missing.values()),
            tuple(held.values()),
            frozenset(),
            () if loaded.is_named else (name,),
            {name: loaded.manifest},
        )

    async def receive(self, image: SentImage) -> Delivered:
        """Send the layers that the engine lacks, and let it load the image.

        Raises:
            StoreError: Bytes of a layer are missing or wrong, or the engine does not take the
                image. The name of the image stands for what it stood for before.
        """
        loaded = await self._loaded(image)
        name = str(self._reference)
        if not loaded.is_named:
            try:
                await self._load(image, loaded)
            except EngineRefused:
                if not loaded.held:
                    raise
                # A layer may have been removed since the engine was asked.
                loaded = loaded.with_all_layers()
                await self._load(image, loaded)
        done = Delivered(held=loaded.layers[: loaded.held])
        if not loaded.is_named:
            done.sent += {one.digest: one for one in loaded.layers[loaded.held :]}.values()
            done.moved_tags.append(name)
        for blob in done.held:
            self._listener.blob(blob, Outcome.HELD)
        for blob in done.sent:
            self._listener.blob(blob, Outcome.SENT)
        done.tags[name] = loaded.manifest
        self._listener.tag(self._reference.tag or name, loaded.manifest)
        return done

    async def _loaded(self, image: SentImage) -> _Loaded:
        """Ask the engine what it has of the image."""
        facts = await to_thread(self._engine.facts)
        manifest = manifest_for(image, facts)
        config = await read_config(image.name, manifest, image.source)
        layers = tuple(one.target for one in manifest.links if one.role is Role.LAYER)
        diff_ids = _diff_ids(image.name, config)
        if len(layers) != len(diff_ids):
            raise InvalidInput(
                f"cannot load {image.name} into a Docker engine: it has {len(layers)} layers, but"
                f" its config has {len(diff_ids)} diff IDs"
            )
        known = await to_thread(self._engine.image_id, self._reference.familiar)
        config_link = next(one for one in manifest.links if one.role is Role.CONFIG)
        identities = {str(config_link.digest)}
        if facts.has_containerd_store:
            identities = {str(manifest.digest), str(image.root.digest)}
        held = 0
        if known in identities:
            held = len(layers)
        elif not facts.has_containerd_store:
            held = await to_thread(self._engine.held_layers, diff_ids)
        loaded = _Loaded(manifest, config, layers, held, known in identities)
        if not facts.reads_zstd and any(
            one.media_type.endswith(_ZSTD) for one in layers[loaded.held :]
        ):
            raise InvalidInput(
                f"cannot load {image.name} into Docker {facts.version}: it has layers that are"
                " compressed with zstd",
                remedy=Remedy.RECOMPRESS_AS_GZIP,
            )
        return loaded

    async def _load(self, image: SentImage, loaded: _Loaded) -> None:
        sent = {one.digest: one for one in loaded.layers[loaded.held :]}
        await image.source.require(tuple(sent.values()))
        plan = loaded.archive(self._reference)
        self._progress.total(sum(one.size_bytes for one in sent.values()))
        by_path = {_path(one): one for one in sent.values()}
        with self._engine.loading(plan.size_bytes) as loading:

            async def write(data: bytes) -> None:
                await to_thread(loading.write, data)

            await stream_archive(plan, by_path, image.source, write, self._progress)
            await to_thread(loading.finish)


@final
@dataclass(frozen=True, slots=True)
class _Loaded:
    """One image that an engine loads.

    Attributes:
        manifest: Its manifest.
        config: The bytes of its config.
        layers: Its layers, the lowest one first.
        held: How many of them, from the lowest one on, the engine has.
        is_named: Whether the engine has the image under the right name.
    """

    manifest: Document
    config: bytes
    layers: tuple[Descriptor, ...]
    held: int
    is_named: bool

    def with_all_layers(self) -> _Loaded:
        """Return the same image with all of its layers."""
        return _Loaded(self.manifest, self.config, self.layers, 0, is_named=False)

    def archive(self, reference: Reference) -> Plan:
        """Return the entries of an archive. Those of layers have no source."""
        (config,) = (one.digest for one in self.manifest.links if one.role is Role.CONFIG)
        description = json.dumps(
            [
                {
                    "Config": f"{config.hex}.json",
                    "RepoTags": [reference.familiar],
                    "Layers": [_path(one) for one in self.layers],
                }
            ]
        ).encode()
        sent: dict[str, Entry] = {
            _path(one): layout.file(_path(one), b"", one.size_bytes)
            for one in self.layers[self.held :]
        }
        return Plan(
            (
                *sent.values(),
                layout.file(f"{config.hex}.json", self.config, len(self.config)),
                layout.file("manifest.json", description, len(description)),
            ),
            owner="",
        )


def manifest_for(image: SentImage, facts: EngineFacts) -> Document:
    """Return the manifest that an engine loads: of an index, the one for its platform.

    Args:
        image: The image or index.
        facts: The engine.

    Raises:
        InvalidInput: The index has no image for the engine.
    """
    if image.root.kind is not Kind.INDEX:
        return image.root
    links = [
        link
        for link in links_below(
            image.root, image.documents, lambda link: ATTESTED not in link.annotations
        )
        if link.is_document and link.digest in image.documents
    ]
    offers = [link.made_for for link in links]
    for link, offer in zip(links, offers, strict=True):
        document = image.documents[link.digest]
        if offer is not None and facts.platform.matches(offer) and document.kind is not Kind.INDEX:
            return document
    stored = ", ".join(sorted({str(one) for one in offers if one and one.is_known}))
    raise InvalidInput(
        f"cannot load {image.name} into an engine for {facts.platform}: the index has no image for"
        " that platform",
        hint=f"choose from its platforms: {stored}" if stored else None,
        remedy=Remedy.CHOOSE_PLATFORM if stored else None,
    )


def _diff_ids(name: str, config: bytes) -> tuple[str, ...]:
    try:
        parsed = ImageConfig.parse(config, DEFAULT_LIMITS, document=f"the config of {name}")
    except InvalidDocument as error:
        raise InvalidInput(
            f"cannot load {name} into a Docker engine: it is not an image: {error.message}"
        ) from error
    return tuple(map(str, parsed.diff_ids))


def _path(layer: Descriptor) -> str:
    return f"{layer.digest.hex}.tar"
