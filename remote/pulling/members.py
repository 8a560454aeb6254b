"""The files of a layout whose blobs are in a registry (`store.importing.members.members`)."""

from __future__ import annotations

import json
import threading
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Final, final

from remote.pulling.transfer import Transfer
from store.errors import MissingMember, TooLarge
from store.formats.image.layout_names import CONTAINERD_NAME, INDEX, LAYOUT
from store.formats.image.media_types import OCI_INDEX
from store.importing.members.parts import Bar
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Future

    from remote.pulling.documents import RemoteImage
    from remote.pulling.transfer import Transfers
    from store.blobs.downloads import Download
    from store.importing.staging import Staged, Stager
    from store.model.digests import Descriptor
    from store.model.limits import Limits
    from store.model.progress import Progress

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_BLOBS: Final = "blobs/"


@final
class RemoteMembers:
    """The members of a layout that consists of one remote image.

    Blobs are fetched when they are staged, or before if `prefetch` names them.

    Args:
        image: The documents of the image, and the descriptors of its blobs.
        transfers: Fetch the blobs.
        stager: Stages the blobs.
        limits: Ceilings for layers.
        progress: Receives the progress of each blob.
        undecoded: Compressed layers that need not be decoded. Layers that the store knows are
            decoded, because the layer that they decode to may be damaged.
    """

    def __init__(
        self,
        image: RemoteImage,
        transfers: Transfers,
        stager: Stager,
        limits: Limits,
        progress: Progress,
        undecoded: AbstractSet[Digest] = frozenset(),
    ) -> None:
        self._image = image
        self._shared = transfers
        self._stager = stager
        self._limits = limits
        self._progress = progress
        self._undecoded = undecoded
        self._files = {INDEX: layout_index(image), LAYOUT: _LAYOUT}
        self._layers: dict[Digest, Staged] = {}
        self._blobs: dict[Digest, Staged] = {}
        self._begun: dict[Digest, Future[Staged]] = {}
        self._open: list[Transfer] = []
        self._lock = threading.Lock()

    def close(self, *, is_stored: bool) -> None:
        """Release the files of the downloads, after the threads of the import have ended.

        Args:
            is_stored: Whether the import succeeded; else the files stay for the next pull.
        """
        for transfer in self._open:
            transfer.close(is_stored=is_stored)

    def exists(self, path: str) -> bool:
        """Return whether a file exists at a path."""
        digest = _digest(path)
        if digest is None:
            return path in self._files
        return digest in self._image.documents or digest in self._image.blobs

    def size(self, path: str) -> int:
        """Return the size of a file in bytes, as its descriptor states it."""
        digest = _digest(path)
        data = self._files.get(path) if digest is None else self._image.documents.get(digest)
        return len(data) if data is not None else self._target(path).size_bytes

    def head(self, path: str) -> bytes | None:
        """Return None: what a blob begins with is known when it is fetched."""
        del path
        return None

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        digest = _digest(path)
        data = self._files.get(path) if digest is None else self._image.documents.get(digest)
        if data is not None:
            return data
        target = self._target(path)
        if target.size_bytes > self._limits.json_bytes:
            raise TooLarge(
                f"cannot read JSON document {path!r}: it has {target.size_bytes} bytes, and the"
                f" limit is {self._limits.json_bytes}",
                limit=self._limits.json_bytes,
            )
        staged = self.blob(path)
        return staged.path.read_bytes()

    def prefetch(self, paths: Iterable[str]) -> None:
        """Begin to fetch layers that `layer` will return."""
        for path in paths:
            target = self._target(path)
            if target.digest not in self._layers and target.digest not in self._begun:
                self._begun[target.digest] = self._stager.prefetch(
                    partial(self._stage_layer, target)
                )

    def layer(self, path: str) -> Staged:
        """Fetch and stage a layer; the same file is staged once."""
        target = self._target(path)
        if target.digest not in self._layers:
            begun = self._begun.pop(target.digest, None)
            self._layers[target.digest] = (
                begun.result()
                if begun is not None
                else self._stage_layer(target, lambda pieces: pieces)
            )
        return self._layers[target.digest]

    def blob(self, path: str) -> Staged:
        """Fetch and stage a file of any kind without decoding it; the same file is staged once."""
        target = self._target(path)
        if target.digest in self._layers:
            staged = self._layers[target.digest]
            if staged.original is not None or not staged.is_ours:
                return staged.original or staged
        if target.digest not in self._blobs:
            self._blobs[target.digest] = self._staged(
                target,
                lambda pieces, advance, download: self._stager.blob(
                    pieces,
                    str(target.digest),
                    advance,
                    algorithm=target.digest.algorithm,
                    download=download,
                ),
            )
        return self._blobs[target.digest]

    def top_level_directories(self) -> tuple[str, ...]:
        """Return the names of the folders at the root."""
        return ("blobs",)

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        """Return the names in a folder; those of blobs are not listed."""
        return () if folder else ("blobs/", *sorted(self._files))

    def find_all(self, name: str) -> tuple[str, ...]:
        """Return the paths of all files with a name."""
        return (name,) if name in self._files else ()

    def _stage_layer(
        self, target: Descriptor, passing: Callable[[Iterator[bytes]], Iterator[bytes]]
    ) -> Staged:
        return self._staged(
            target,
            lambda pieces, advance, download: self._stager.layer(
                passing(pieces),
                str(target.digest),
                advance,
                algorithm=target.digest.algorithm,
                keep_original=True,
                download=download,
                decodes=target.digest not in self._undecoded,
            ),
        )

    def _staged(
        self,
        target: Descriptor,
        work: Callable[[Iterator[bytes], Callable[[int], None], Download | None], Staged],
    ) -> Staged:
        digest = str(target.digest)
        with Bar(self._progress, digest, target.digest.hex, target.size_bytes) as bar:
            transfer = Transfer(target, self._shared, lambda size: bar.advance(-size))
            with self._lock:
                self._open.append(transfer)
            if self._shared.stopped.is_set():
                raise CancelledError
            return transfer.stage(lambda pieces, download: work(pieces, bar.advance, download))

    def _target(self, path: str) -> Descriptor:
        digest = _digest(path)
        target = None if digest is None else self._image.blobs.get(digest)
        if target is None:
            raise MissingMember("the registry does not have the file", member=path)
        return target


def layout_index(image: RemoteImage) -> bytes:
    """Return the ``index.json`` of a layout that holds a pulled image and its referrers.

    Args:
        image: The image.
    """
    entries = []
    for root in image.roots:
        target = root.descriptor
        entry: dict[str, object] = {
            "mediaType": target.media_type,
            "digest": str(target.digest),
            "size": target.size_bytes,
        }
        if root.name is not None:
            entry["annotations"] = {CONTAINERD_NAME: str(root.name)}
        entries.append(entry)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(index, separators=(",", ":")).encode()


def _digest(path: str) -> Digest | None:
    """Return the digest in the path of a blob; None for another path."""
    if not path.startswith(_BLOBS):
        return None
    algorithm, _, name = path.removeprefix(_BLOBS).partition("/")
    return Digest(algorithm, name)
