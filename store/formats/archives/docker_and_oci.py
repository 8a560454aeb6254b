"""Archives that are an OCI layout with a ``manifest.json``.

Docker 25 and newer and ``ctr images export`` write such archives. The manifests come from
``index.json`` and the names from ``manifest.json``. Docker's ``index.json`` may lack images without
a tag. Docker 25.0.0 wrote manifests with the layers out of order, or without repeated layers. In
that case ``manifest.json`` is right, and the import leaves out the wrong manifest.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidArchive, TooLarge, printable
from store.formats.archives.claims import ArchiveClaim, BrokenImage, Graph, Root
from store.formats.archives.docker import display_name
from store.formats.archives.layout_entry_names import settled_name
from store.formats.image.graph_walk import levels
from store.formats.image.layout_names import ATTESTED
from store.model.digests import DEFAULT_ALGORITHM, Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from store.formats.archives.claims import ImageClaim
    from store.formats.image.config import ImageConfig

_BLOB: Final = re.compile(r"blobs/(?P<algorithm>sha256|sha512)/(?P<hex>[0-9a-f]+)")
_MAX_STEPS: Final = 5_000_000
"""The most documents above the images of ``manifest.json``, counted once for each image."""

_MAX_CANDIDATES: Final = 1_000_000
"""The most manifests of the images of ``manifest.json``, counted once for each image.

An archive may list one image thousands of times, and have thousands of manifests for it.
"""

_HINT: Final = "delete the wrong one of the two files, or save the images again"


def reconcile(layout: ArchiveClaim, docker: ArchiveClaim) -> ArchiveClaim:
    """Combine the claims of ``index.json`` and of ``manifest.json`` into one claim.

    Args:
        layout: The claims of ``index.json``.
        docker: The claims of ``manifest.json``.

    Returns:
        The claim. An image about which the two files contradict each other is among the broken
        images.

    Raises:
        TooLarge: The images of ``manifest.json`` have too many manifests.
    """
    graph = layout.graph
    notes = [*layout.notes, *docker.notes]
    images: list[ImageClaim] = []
    broken = list(docker.broken)
    flawed: set[Digest] = set()
    matching: list[tuple[ImageClaim, frozenset[Digest]]] = []
    by_config: dict[Digest, list[Digest]] = {}
    for digest, config in (*graph.configs.items(), *_unfit(graph).items()):
        by_config.setdefault(_sha256(config), []).append(digest)
    steps = 0
    for image in docker.images:
        candidates = by_config.get(_sha256(image.config), [])
        steps += len(candidates)
        if steps > _MAX_CANDIDATES:
            raise TooLarge(
                f"the images of manifest.json have more than {_MAX_CANDIDATES} manifests together",
                limit=_MAX_CANDIDATES,
            )
        if not candidates and not image.tags:
            # Docker lists an image without a tag in index.json only if it is the first image. But
            # the image's manifest is in the archive (docker-archive.md §9).
            images.append(image)
            continue
        if not candidates:
            broken.append(
                _broken(
                    image,
                    f"manifest.json lists {printable(display_name(image))} (image"
                    f" {image.config.image_id}), but index.json does not",
                )
            )
            continue
        wanted = _digests(image.layers)
        same = frozenset(
            digest
            for digest in candidates
            if digest in graph.configs
            and (
                wanted is None or [link.digest for link in graph.documents[digest].layers] == wanted
            )
        )
        if same:
            matching.append((image, same))
            # The layout and Docker may name the config by digests of different algorithms.
            images.append(
                replace(
                    image,
                    config=graph.configs[min(same)],
                    described=True,
                    tags=(),
                    unusable=(),
                )
            )
            continue
        if not all(
            {link.digest for link in graph.documents[digest].layers} == set(wanted or ())
            for digest in candidates
        ):
            broken.append(
                _broken(
                    image,
                    "index.json and manifest.json disagree about the layers of"
                    f" {printable(display_name(image))}",
                )
            )
            continue
        flawed.update(candidates)
        images.append(image)
        notes.append(
            f"the manifest of {printable(display_name(image))} was left out: its layers are not in"
            " the order of manifest.json (a bug in Docker 25.0.0)"
        )
    graph = _without(graph, flawed)
    roots = _named(graph, matching, broken)
    return ArchiveClaim(
        layout.digest,
        tuple(images),
        tuple(dict.fromkeys(notes)),
        replace(graph, roots=roots),
        tuple(broken),
    )


def _broken(image: ImageClaim, message: str) -> BrokenImage:
    return BrokenImage(
        InvalidArchive(message, hint=_HINT), (*image.tags, *image.unusable), config=image.config
    )


def artifact_configs(graph: Graph) -> tuple[frozenset[str], frozenset[str]]:
    """Return the paths of configs that belong to artifacts.

    ``ctr images export`` lists these configs in ``manifest.json``, as if they were image configs.

    Args:
        graph: The manifests of the archive.

    Returns:
        The configs that belong only to artifacts and are not configs of images; and the configs of
        images that also belong to artifacts with another number of layers.
    """
    unfit = {config.image_id.digest for config in _unfit(graph).values()}
    images = {config.image_id.digest for config in graph.configs.values()} | unfit
    others = {
        document.config.digest
        for document in graph.documents.values()
        if document.config is not None
    } - images
    return frozenset(map(_path, others)), frozenset(map(_path, unfit))


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _unfit(graph: Graph) -> dict[Digest, ImageConfig]:
    """Return the config of each manifest that has another number of layers than its config."""
    return {
        digest: artifact.config
        for digest, artifact in graph.artifacts.items()
        if artifact.config is not None
    }


def _sha256(config: ImageConfig) -> Digest:
    digest = config.image_id.digest
    return digest if digest.algorithm == DEFAULT_ALGORITHM else Digest.of(config.data)


def _digests(paths: Sequence[str | None]) -> list[Digest] | None:
    """Return the digest in each layer's path, or None if any path is not the path of a blob."""
    found: list[Digest] = []
    for path in paths:
        match = _BLOB.fullmatch(posixpath.normpath(path or ""))
        if match is None:
            return None
        found.append(Digest(match["algorithm"], match["hex"]))
    return found


def _without(graph: Graph, flawed: set[Digest]) -> Graph:
    return Graph(
        tuple(root for root in graph.roots if root.digest not in flawed),
        {digest: one for digest, one in graph.documents.items() if digest not in flawed},
        {digest: config for digest, config in graph.configs.items() if digest not in flawed},
        {digest: one for digest, one in graph.artifacts.items() if digest not in flawed},
        {digest: error for digest, error in graph.faults.items() if digest not in flawed},
    )


def _named(
    graph: Graph,
    matching: Iterable[tuple[ImageClaim, frozenset[Digest]]],
    broken: list[BrokenImage],
) -> tuple[Root, ...]:
    """Return the roots with their names from ``manifest.json``.

    A root without a name there keeps its names from ``index.json`` (as written by
    ``ctr images export --skip-manifest-json``). So does an index without an image for the platform
    of the machine that wrote the archive. Every root keeps its names with a digest. ``broken``
    receives the images whose name the two files give to different images.
    """
    listing: dict[Digest, list[Digest]] = {}
    for digest, document in graph.documents.items():
        for link in document.children:
            # manifest.json lists no image only because it is an attestation of another image.
            if ATTESTED not in link.annotations:
                listing.setdefault(link.digest, []).append(digest)
    order = {root.digest: position for position, root in enumerate(graph.roots)}
    names = _Names({name: root.digest for root in graph.roots for name in root.names}, broken)
    steps = 0
    for image, manifests in matching:
        # Walk up from the manifest: walks down from every root would visit shared indexes many
        # times.
        up = set(
            levels(manifests, lambda some: [one for at in some for one in listing.get(at, ())])
        )
        steps += len(up)
        if steps > _MAX_STEPS:
            raise TooLarge(
                f"the images of manifest.json are in more than {_MAX_STEPS} indexes together",
                limit=_MAX_STEPS,
            )
        names.add(image, manifests, up, sorted(up & order.keys(), key=order.__getitem__))
    # A manifest below an index that manifest.json names by its digest becomes a root.
    more = (Root(digest) for digest in names.given if digest not in order)
    return tuple(_with_names(root, names.given, names.unusable) for root in (*graph.roots, *more))


@final
@dataclass(slots=True)
class _Names:
    """The names that ``manifest.json`` gives to roots.

    Attributes:
        holder: The root of each name in ``index.json``.
        broken: Receives the images whose name the two files give to different images.
        given: The names of each root.
        unusable: Texts that cannot be names, by root.
    """

    holder: Mapping[str, Digest]
    broken: list[BrokenImage]
    given: dict[Digest, dict[str, None]] = field(default_factory=dict)
    unusable: dict[Digest, dict[str, None]] = field(default_factory=dict)

    def add(
        self,
        image: ImageClaim,
        manifests: AbstractSet[Digest],
        up: AbstractSet[Digest],
        above: Sequence[Digest],
    ) -> None:
        """Add the names of an image.

        Args:
            image: The image.
            manifests: The image's manifests.
            up: The image's manifests, and the indexes above them.
            above: The roots among ``up``, in their order.
        """
        for digest in above[:1]:
            self.unusable.setdefault(digest, {}).update(dict.fromkeys(image.unusable))
        for digest in above if image.tags else ():
            if digest in manifests:
                self.given.setdefault(digest, {})
        for tag in image.tags:
            written = Reference.parse(tag)
            name = settled_name(written, up)
            held = None if name is None else self.holder.get(str(name))
            # A name with a digest stands for exactly this manifest or index.
            target = held or written.digest or next(iter(above), None)
            if name is None:
                for digest in above[:1]:
                    self.unusable.setdefault(digest, {})[tag] = None
            elif held is not None and held not in up:
                self.broken.append(BrokenImage(_two_holders(str(name)), (tag,)))
            elif target is not None:
                self.given.setdefault(target, {})[str(name)] = None


def _two_holders(name: str) -> InvalidArchive:
    return InvalidArchive(
        f"index.json and manifest.json give the name {printable(name)} to different images",
        hint=_HINT,
    )


def _with_names(
    root: Root,
    given: Mapping[Digest, Mapping[str, None]],
    unusable: Mapping[Digest, Mapping[str, None]],
) -> Root:
    if root.digest in given:
        pinned = [name for name in root.names if Reference.parse(name).digest is not None]
        names = tuple(dict.fromkeys((*given[root.digest], *pinned)))
        root = replace(root, names=names, bare=(), unusable=())
    texts = dict.fromkeys((*root.unusable, *unusable.get(root.digest, ())))
    return replace(root, unusable=tuple(texts))
