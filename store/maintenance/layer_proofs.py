"""Proofs that pushed blobs are the layers that the configs of their images list.

A blob is such a layer if it decodes to the diff ID, and if the decoded bytes are a tar. An import
makes the same check while it stages a layer.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.catalog import content
from store.content.encoding_check import has_digest, has_sound_frames
from store.content.stored import open_stored
from store.content.streams import stream
from store.errors import IntegrityError, TooLarge
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.decoders import decoder
from store.formats.compression.growth import ratio_of
from store.formats.tar.layer_check import LayerCheck, fault_of
from store.model.contents import Codec, StoredEncoding
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.blobs.protocol import OpenBlob
    from store.errors import StoreError
    from store.formats.compression.memory import MemoryLease
    from store.model.contents import Sources
    from store.model.digests import DiffID
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_MAX_REMEMBERED: Final = 10_000
"""How many decoded blobs are remembered, about 0.5 KiB each."""


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """A claim by a manifest and its config: ``blob`` decodes to ``diff``."""

    blob: Digest
    diff: DiffID

    @property
    def is_plain(self) -> bool:
        """Whether the blob is said to be the layer itself, without compression."""
        return self.blob == self.diff.digest


@final
@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that a claim holds.

    Attributes:
        claim: The claim.
        codec: The codec of the blob.
        size_bytes: The size of the decoded layer.
        seekable: Whether any part of the layer can be decoded alone.
    """

    claim: Claim
    codec: Codec
    size_bytes: int
    seekable: bool


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """Why a claim does not hold.

    Attributes:
        claim: The claim.
        reason: The fact, as the rest of a sentence about the layer.
        is_too_large: Whether the blob decodes to more than a limit allows.
    """

    claim: Claim
    reason: str
    is_too_large: bool = False


@final
@dataclass(frozen=True, slots=True)
class _Decoded:
    """The result of decoding a blob: the digest of the decoded bytes, and what is wrong."""

    digest: Digest
    problem: StoreError | None
    is_decoded: bool

    def fault(self, claim: Claim) -> Fault | None:
        reason = fault_of(
            self.problem,
            is_decoded=self.is_decoded,
            got=self.digest,
            wanted=claim.diff,
            is_wanted=self.is_decoded and self.digest == claim.diff.digest,
        )
        return None if reason is None else Fault(claim, reason, isinstance(self.problem, TooLarge))


@final
class LayerProver:
    """A prover of claims about the layers of one store. Threads may share this object.

    It remembers the blobs for which a claim was false. So a blob with a false diff ID is decoded
    once, even if any number of images and manifests name it.

    Args:
        workspace: The store.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._decoded: OrderedDict[tuple[Digest, str], _Decoded] = OrderedDict()
        """The result for each blob, by the blob and the algorithm of the decoded digest."""
        self._lock = threading.Lock()

    def known_fault(self, claim: Claim) -> Fault | None:
        """Return why a claim is known not to hold; None if it may hold.

        Args:
            claim: The claim.
        """
        with self._lock:
            known = self._decoded.get((claim.blob, claim.diff.digest.algorithm))
        return None if known is None else known.fault(claim)

    def prove(self, claim: Claim, check: Callable[[], None]) -> Proof | Fault:
        """Decode a blob; return whether it is the claimed layer.

        Args:
            claim: The claim.
            check: Called while the blob is decoded; an exception that it raises ends the proof.

        Raises:
            ContentMissing: The file of the blob is missing.
        """
        fault = self.known_fault(claim)
        if fault is not None:
            return fault
        with self._workspace.read() as connection:
            sources = content.sources(connection, (claim.blob,)).get(claim.blob)
        if sources is None:
            return Fault(claim, "is not in the store")
        if not sources.in_file:
            return self._prove_read(claim, sources, check)
        with open_stored(self._workspace.blobs, claim.blob) as blob:
            return self._prove_file(claim, blob, sources, check)

    def _prove_file(
        self, claim: Claim, blob: OpenBlob, sources: Sources, check: Callable[[], None]
    ) -> Proof | Fault:
        codec = detect(blob.pread(0, MAGIC_BYTES))
        limits, memory = self._workspace.decoding.limits, self._workspace.decoding.memory
        with memory.lease() as lease:
            pieces = stream(
                blob, codec, max_bytes=limits.layer_bytes, memory=lease, ratio=ratio_of(limits)
            )
            decoded, size = _decode(claim, pieces, check)
        fault = decoded.fault(claim)
        if fault is not None:
            logger.info("blob=%s is not layer=%s: %s", claim.blob, claim.diff, fault.reason)
            # A damaged blob proves nothing, and a client can upload its true bytes again.
            if has_digest(blob, claim.blob):
                self._remember(claim, decoded)
            return fault
        stored = StoredEncoding(claim.blob, codec, sources.size_bytes, seekable=False)
        seekable = not claim.is_plain and has_sound_frames(
            blob, stored, claim.diff.digest, size, memory
        )
        return Proof(claim, codec, size, seekable)

    def _prove_read(
        self, claim: Claim, sources: Sources, check: Callable[[], None]
    ) -> Proof | Fault:
        """Prove a claim about a blob that is not a file of its own.

        Its bytes are in the database, or are decoded from another blob.
        """
        limits, memory = self._workspace.decoding.limits, self._workspace.decoding.memory
        codec = Codec.IDENTITY
        with ExitStack() as held:
            reader = held.enter_context(self._workspace.reader())
            lease: MemoryLease = held.enter_context(memory.lease())
            stored = iter(reader.chunks(sources))
            try:
                first = next(stored, b"")
                codec = detect(first[:MAGIC_BYTES])
                decode = decoder(
                    codec,
                    max_bytes=limits.layer_bytes,
                    ratio=ratio_of(limits),
                    memory=lease.require,
                )

                def pieces() -> Iterator[bytes]:
                    yield from decode.feed(first)
                    for piece in stored:
                        yield from decode.feed(piece)
                    yield from decode.finish()

                decoded, size = _decode(claim, pieces(), check)
            except IntegrityError as exc:
                return Fault(claim, exc.message)
        fault = decoded.fault(claim)
        if fault is not None:
            self._remember(claim, decoded)
            return fault
        return Proof(claim, codec, size, seekable=False)

    def _remember(self, claim: Claim, decoded: _Decoded) -> None:
        with self._lock:
            self._decoded[(claim.blob, claim.diff.digest.algorithm)] = decoded
            while len(self._decoded) > _MAX_REMEMBERED:
                self._decoded.popitem(last=False)


def _decode(
    claim: Claim, pieces: Iterator[bytes], check: Callable[[], None]
) -> tuple[_Decoded, int]:
    """Return the result of decoding a blob, and the number of decoded bytes."""
    algorithm = claim.diff.digest.algorithm
    hashed = hashlib.new(algorithm, usedforsecurity=False)
    layer = LayerCheck(str(claim.blob))
    size = 0

    def take(piece: bytes) -> None:
        nonlocal size
        check()
        hashed.update(piece)
        size += len(piece)

    if layer.guard(pieces, take):
        layer.finish()
    digest = Digest(algorithm, hashed.hexdigest())
    return _Decoded(digest, layer.problem, layer.is_decoded), size
