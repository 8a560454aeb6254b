"""The files of a layout whose blobs are in the storage of a registry.

The class implements `store.importing.members.members.Members`.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.errors import DigestMismatch, InvalidDigest, MissingMember, TruncatedInput
from store.files.os_errors import Whose, translated
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.settings import FRAME_BYTES
from store.formats.image.layout_names import CONTAINERD_NAME, INDEX, LAYOUT
from store.formats.image.media_types import OCI_INDEX
from store.importing.members.parts import Bar, DocumentCeiling, joined
from store.importing.staging import too_large
from store.model.contents import Codec
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from store.blobs.downloads import Download
    from store.importing.staging import Staged, Stager
    from store.model.limits import Limits
    from store.model.progress import Progress
    from store.registry_tree.disk import Tree
    from store.registry_tree.graph import Node
    from store.registry_tree.sharing import Sharing

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_BLOBS: Final = "blobs/"


@final
class WrongBlob(DigestMismatch):
    """A file whose bytes do not have the digest in its path.

    Attributes:
        digest: The digest in the path.
    """

    def __init__(self, digest: Digest, got: Digest) -> None:
        super().__init__("content of the registry's file", want=digest, got=got)
        self.digest = digest


@final
class TreeMembers:
    """The members of a layout that consists of some images of a repository.

    Args:
        tree: The storage of the registry.
        roots: The images, with the full names that they get.
        nodes: The manifests of the repository.
        hidden: The manifests and blobs that are treated as absent.
        stager: Stages the files.
        sharing: Makes files of the store without a copy.
        limits: Ceilings for documents and layers.
        progress: Receives the progress of each file.
    """

    def __init__(
        self,
        tree: Tree,
        roots: Mapping[Digest, Iterable[str]],
        nodes: Mapping[Digest, Node],
        hidden: Collection[Digest],
        stager: Stager,
        sharing: Sharing,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self._tree = tree
        self._hidden = hidden
        self._stager = stager
        self._sharing = sharing
        self._limits = limits
        self._progress = progress
        self._documents = DocumentCeiling(limits)
        self._files = {INDEX: layout_index(roots, nodes), LAYOUT: _LAYOUT}
        self._layers: dict[Digest, Staged] = {}
        self._blobs: dict[Digest, Staged] = {}
        self._begun: dict[Digest, Future[Staged]] = {}

    def exists(self, path: str) -> bool:
        """Return whether a file exists at a path."""
        digest = _digest(path)
        if digest is None:
            return path in self._files
        if digest in self._hidden:
            return False
        return self._tree.blob_size(digest) is not None

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        if path in self._files:
            return len(self._files[path])
        with self._opened(path) as file:
            return os.fstat(file.fileno()).st_size

    def head(self, path: str) -> bytes | None:
        """Return the first bytes of a file."""
        if path in self._files:
            return self._files[path][:MAGIC_BYTES]
        with self._opened(path) as file, self._translated(path):
            return file.read(MAGIC_BYTES)

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        if path in self._files:
            return self._files[path]
        with self._opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            self._documents.admit(path, size)
            with self._translated(path):
                return joined(_pieces(file, size, path), size)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Begin to stage layers that `layer` will return."""
        for path in paths:
            digest = _digest(path)
            if digest is not None and digest not in self._layers and digest not in self._begun:
                self._begun[digest] = self._stager.prefetch(
                    partial(self._stage_layer, path, digest)
                )

    def layer(self, path: str) -> Staged:
        """Stage a layer; the same file is staged once."""
        digest = self._required(path)
        if digest not in self._layers:
            begun = self._begun.pop(digest, None)
            self._layers[digest] = (
                begun.result()
                if begun is not None
                else self._stage_layer(path, digest, lambda pieces: pieces)
            )
        return self._layers[digest]

    def blob(self, path: str) -> Staged:
        """Stage a file of any kind without decoding it; the same file is staged once."""
        digest = self._required(path)
        if digest in self._layers:
            staged = self._layers[digest]
            if staged.original is not None or not staged.is_ours:
                return staged.original or staged
        if digest not in self._blobs:
            self._blobs[digest] = self._staged(
                path,
                digest,
                lambda pieces, advance, download: self._stager.blob(
                    pieces,
                    str(digest),
                    advance,
                    algorithm=digest.algorithm,
                    download=download,
                ),
            )
        return self._blobs[digest]

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
        self,
        path: str,
        digest: Digest,
        passing: Callable[[Iterator[bytes]], Iterator[bytes]],
    ) -> Staged:
        return self._staged(
            path,
            digest,
            lambda pieces, advance, download: self._stager.layer(
                passing(pieces),
                str(digest),
                advance,
                algorithm=digest.algorithm,
                keep_original=True,
                download=download,
            ),
            # A layer that is not compressed is stored compressed.
            is_kept=lambda head: detect(head) is not Codec.IDENTITY,
        )

    def _staged(
        self,
        path: str,
        digest: Digest,
        work: Callable[[Iterator[bytes], Callable[[int], None], Download | None], Staged],
        is_kept: Callable[[bytes], bool] = bool,
    ) -> Staged:
        with self._opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > self._limits.layer_bytes:
                raise too_large(path, self._limits)
            with self._translated(path):
                head = file.read(MAGIC_BYTES)
                file.seek(0)
            shared = None
            if is_kept(head):
                shared = self._sharing.share(digest, file, self._stager.scratch())
            with Bar(self._progress, str(digest), digest.hex, size) as bar:
                if shared is None:
                    with self._translated(path), closing(_pieces(file, size, path)) as pieces:
                        staged = work(pieces, bar.advance, None)
                else:
                    # What is hashed is the file that is published, and not the registry's.
                    with (
                        shared.file,
                        translated(shared.path),
                        shared.path.open("rb", buffering=0) as own,
                        closing(_pieces(own, size, path)) as pieces,
                    ):
                        staged = work(pieces, bar.advance, shared)
        if staged.received.digest != digest:
            raise WrongBlob(digest, staged.received.digest)
        return staged

    def _opened(self, path: str) -> BinaryIO:
        digest = self._required(path)
        file = None if digest in self._hidden else self._tree.open_blob(digest)
        if file is None:
            raise MissingMember("the registry does not have the file", member=path)
        return file

    def _required(self, path: str) -> Digest:
        digest = _digest(path)
        if digest is None:
            raise MissingMember("the registry does not have the file", member=path)
        return digest

    def _translated(self, path: str) -> AbstractContextManager[None]:
        return translated(self._tree.path / path, whose=Whose.INPUT)


def layout_index(roots: Mapping[Digest, Iterable[str]], nodes: Mapping[Digest, Node]) -> bytes:
    """Return the ``index.json`` of a layout that holds some images of a repository.

    Args:
        roots: The images with their full names.
        nodes: The manifests of the repository.
    """
    entries = []
    for digest, names in roots.items():
        node = nodes[digest]
        entry: dict[str, object] = {
            "mediaType": node.media_type,
            "digest": str(digest),
            "size": node.size_bytes,
        }
        entries += [{**entry, "annotations": {CONTAINERD_NAME: name}} for name in names] or [entry]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(index, separators=(",", ":")).encode()


def _pieces(file: BinaryIO, size: int, name: str) -> Generator[bytes, None, None]:
    left = size
    while left:
        piece = file.read(min(left, FRAME_BYTES))
        if not piece:
            raise TruncatedInput("the file was shortened while it was read", member=name)
        left -= len(piece)
        yield piece


def _digest(path: str) -> Digest | None:
    """Return the digest in the path of a blob; None for another path."""
    if not path.startswith(_BLOBS):
        return None
    algorithm, _, name = path.removeprefix(_BLOBS).partition("/")
    try:
        return Digest(algorithm, name)
    except InvalidDigest:
        return None
