"""A check that the layers of a pushed image decode to the diff IDs in the image's config.

Pushed layers are decoded and hashed. A layer with the right diff ID becomes an encoding of that
diff.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, encodings, images
from store.catalog.checking import verification
from store.catalog.collection import condemned
from store.catalog.in_progress import leases
from store.content.encoding_check import has_digest, has_sound_frames
from store.content.stored import open_stored
from store.content.streams import stream
from store.errors import ImageNotFound, InvalidInput
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.growth import ratio_of
from store.formats.image.config import ImageConfig
from store.model.contents import ContentState, DiffState, StoredEncoding
from store.model.digests import DiffID
from store.model.limits import DEFAULT_LIMITS
from store.workspace import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.model.contents import Codec
    from store.model.digests import Digest, ImageID
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_MAX_REMEMBERED: Final = 10_000
"""How many decoded blobs a verifier remembers, about 0.5 KiB each."""

_BEST: Final = (DiffState.VERIFIED, DiffState.UNVERIFIED, DiffState.MISMATCH)
"""The state of an image is the first of these states that one of its manifests has."""


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """A claim by a manifest and its config: ``blob`` decodes to ``diff``."""

    blob: Digest
    diff: DiffID


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
class _StoppedError(Exception):
    """The caller stopped a verification."""


@final
class Verifier:
    """A verifier of pushed images in one store. Threads may share this object.

    The verifier remembers what it has decoded. So a blob with a false diff ID is decoded once, even
    if any number of images and manifests name it.

    Args:
        workspace: The store.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._decoded: OrderedDict[tuple[Digest, str], str | None] = OrderedDict()
        """The hexadecimal digest of each decoded blob, by the blob and the digest's algorithm; None
        if the blob does not decode."""
        self._lock = threading.Lock()

    def is_needed(self, image_id: ImageID) -> bool:
        """Return whether `verify` could change the state of an image or of one of its manifests.

        It could not if all manifests of the image are verified. It could not either if the others
        are mismatches, and this verifier has decoded all of their layers that are in question.

        Args:
            image_id: The image.

        Raises:
            ImageNotFound: The store does not have the image.
        """
        with self._workspace.read() as connection:
            key, _ = _find(connection, image_id)
            if verification.has_unverified(connection, key):
                return True
            waiting = verification.unverified_layers(connection, key)
        if not waiting:
            return False
        config = self._config(image_id)
        with self._workspace.read() as connection:
            claims = _claims(connection, waiting.values(), config.diff_ids)
        return not all(map(self._is_refuted, claims))

    def verify(
        self, image_id: ImageID, *, is_stopped: Callable[[], bool] = lambda: False
    ) -> DiffState:
        """Decode the layers of an image that were not decoded before, and record the result.

        Args:
            image_id: The image.
            is_stopped: Called while layers are decoded; returns whether to give up.

        Returns:
            Whether the layers have the diff IDs in the config. An image with foreign layers that
            the store does not have stays `DiffState.UNVERIFIED`. The state does not change if the
            verification is stopped.

        Raises:
            ImageNotFound: The store does not have the image.
        """
        workspace = self._workspace
        # One snapshot: another verifier may finish at any moment.
        with workspace.read() as connection:
            key, state = _find(connection, image_id)
            if not verification.unverified_layers(connection, key):
                return state
        config = self._config(image_id)
        try:
            with workspace.operation("verify") as operation:
                with workspace.write(operation.id) as connection:
                    key, state = _find(connection, image_id)
                    listed = verification.unverified_layers(connection, key)
                    claims = _claims(connection, listed.values(), config.diff_ids)
                    blobs = content.find(connection, {claim.blob for claim in claims})
                    leases.add_leases(
                        connection, operation.id, [key, *(blob.key for blob in blobs.values())]
                    )
                attempts = [self._prove(claim, is_stopped) for claim in claims]
                proofs = [proof for proof in attempts if proof is not None]
                with workspace.write(operation.id) as connection:
                    self._record(connection, proofs)
                    proven = _proven(connection, listed.values())
                    states = {
                        manifest: decide(layers, config.diff_ids, proven)
                        for manifest, layers in listed.items()
                    }
                    verification.set_manifest_states(connection, states)
                    _, state = _find(connection, image_id)
                    if state is not DiffState.VERIFIED:
                        state = min(states.values(), key=_BEST.index, default=state)
                        verification.set_diff_state(connection, key, state.value)
                    operations.end(connection, operation)
        except _StoppedError:
            pass
        return state

    def _config(self, image_id: ImageID) -> ImageConfig:
        return ImageConfig.parse(
            self._workspace.read_whole(image_id.digest), DEFAULT_LIMITS, digest=image_id.digest
        )

    def _prove(self, claim: Claim, is_stopped: Callable[[], bool]) -> Proof | None:
        """Decode a blob; return None if it does not decode to the claimed diff.

        Raises:
            _StoppedError: The caller has stopped the verification.
        """
        if self._is_refuted(claim):
            return None
        with self._workspace.read() as connection:
            sources = content.sources(connection, (claim.blob,)).get(claim.blob)
        if sources is None or not sources.in_file:
            return None
        with open_stored(self._workspace.blobs, claim.blob) as blob:
            codec = detect(blob.pread(0, MAGIC_BYTES))
            size = 0
            decoded = None
            hashed = hashlib.new(claim.diff.digest.algorithm, usedforsecurity=False)
            limits, memory = self._workspace.decoding.limits, self._workspace.decoding.memory
            try:
                with memory.lease() as lease:
                    for piece in stream(
                        blob,
                        codec,
                        max_bytes=limits.layer_bytes,
                        memory=lease,
                        ratio=ratio_of(limits),
                    ):
                        if is_stopped():
                            raise _StoppedError
                        hashed.update(piece)
                        size += len(piece)
                decoded = hashed.hexdigest()
            except InvalidInput as exc:
                logger.warning("blob=%s is not layer=%s: %s", claim.blob, claim.diff, exc.message)
            if decoded != claim.diff.digest.hex:
                # A damaged blob proves nothing, and a client can upload its true bytes again.
                if has_digest(blob, claim.blob):
                    self._remember(claim, decoded)
                return None
            stored = StoredEncoding(claim.blob, codec, sources.size_bytes, seekable=False)
            seekable = has_sound_frames(blob, stored, claim.diff.digest, size, memory)
        return Proof(claim, codec, size, seekable)

    def _is_refuted(self, claim: Claim) -> bool:
        with self._lock:
            known = self._decoded.get((claim.blob, claim.diff.digest.algorithm), "")
        return known is None or known not in ("", claim.diff.digest.hex)

    def _remember(self, claim: Claim, decoded: str | None) -> None:
        with self._lock:
            self._decoded[(claim.blob, claim.diff.digest.algorithm)] = decoded
            while len(self._decoded) > _MAX_REMEMBERED:
                self._decoded.popitem(last=False)

    def _record(self, connection: Connection, proofs: Iterable[Proof]) -> None:
        """Record each proven blob as an encoding of its diff."""
        now = self._workspace.now()
        for proof in proofs:
            diff = proof.claim.diff.digest
            stored = content.find(connection, (proof.claim.blob,))[proof.claim.blob]
            decoded, damaged = content.ensure_decoded(connection, {diff: proof.size_bytes})
            condemned.condemn(connection, damaged, now)
            encodings.put_encodings(
                connection,
                [
                    encodings.NewEncoding(
                        decoded[diff],
                        stored.key,
                        proof.codec.value,
                        seekable=proof.seekable,
                        ours=False,
                        checked=True,
                    )
                ],
            )


def decide(
    layers: Sequence[tuple[Digest, ContentState]],
    diffs: Sequence[DiffID],
    proven: AbstractSet[Claim],
) -> DiffState:
    """Return the state of a manifest after its claims have been tried.

    Only the manifest's own layers count. If the store has the diffs in another form, that does not
    make other layers right.

    Args:
        layers: The layers that the manifest lists as (digest, state), base first.
        diffs: The diffs of the image, base first.
        proven: The claims that hold.
    """
    if len(layers) != len(diffs):
        return DiffState.MISMATCH
    wrong = [
        state
        for (blob, state), diff in zip(layers, diffs, strict=True)
        if Claim(blob, diff) not in proven
        and (blob != diff.digest or state is not ContentState.PRESENT)
    ]
    if not wrong:
        return DiffState.VERIFIED
    return DiffState.MISMATCH if ContentState.PRESENT in wrong else DiffState.UNVERIFIED


def _find(connection: Connection, image_id: ImageID) -> tuple[ContentKey, DiffState]:
    """Return the row number and the recorded state of an image.

    Raises:
        ImageNotFound: The store does not have the image.
    """
    key = images.key_of(connection, image_id)
    if key is None:
        raise ImageNotFound(f"No such image: {image_id}")
    return key, DiffState(verification.diff_state(connection, key))


def _claims(
    connection: Connection,
    manifests: Iterable[Sequence[tuple[Digest, ContentState]]],
    diffs: Sequence[DiffID],
) -> list[Claim]:
    """Return the claims of manifests of an image, without the claims that are known to hold."""
    found: dict[Claim, None] = {}
    for layers in manifests:
        if len(layers) == len(diffs):
            found.update(
                (Claim(blob, diff), None)
                for (blob, state), diff in zip(layers, diffs, strict=True)
                if state is ContentState.PRESENT
            )
    known = encodings.encoded(connection, [claim.blob for claim in found])
    return [
        claim
        for claim in found
        if claim.blob != claim.diff.digest and (claim.blob, claim.diff.digest) not in known
    ]


def _proven(
    connection: Connection, manifests: Iterable[Sequence[tuple[Digest, ContentState]]]
) -> set[Claim]:
    """Return the claims about the layers of manifests that are known to hold."""
    blobs = {blob for layers in manifests for blob, _ in layers}
    return {
        Claim(stored, DiffID(decoded)) for stored, decoded in encodings.encoded(connection, blobs)
    }
