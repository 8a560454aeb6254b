"""Does a pushed image's config tell the truth about its layers? Decodes what was pushed and compares; what fits becomes an encoding of its diff."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import content, encodings, images
from store.catalog.checking import verification
from store.catalog.collection import condemned
from store.catalog.in_progress import leases
from store.content.frames import Frames
from store.content.reader import PIECE_BYTES
from store.content.stored import open_stored
from store.errors import ImageNotFound, InvalidInput
from store.files.os_errors import translated
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.decoders import decoder
from store.formats.image.config import ImageConfig
from store.model.contents import Codec, ContentState, DiffState, StoredEncoding
from store.model.limits import DEFAULT_LIMITS
from store.workspace import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sqlalchemy import Connection

    from store.blobs.protocol import OpenBlob
    from store.db.types import ContentKey
    from store.model.digests import DiffID, Digest, ImageID
    from store.workspace.operations import Operation
    from store.workspace.workspace import Workspace


@final
@dataclass(frozen=True, slots=True)
class _Claim:
    """One manifest says that ``blob`` decodes to ``diff``."""

    blob: Digest
    diff: DiffID


@final
@dataclass(frozen=True, slots=True)
class _Proof:
    """It does. ``path`` holds what it decodes to, when no reader could decode it again."""

    claim: _Claim
    codec: Codec
    size_bytes: int
    seekable: bool
    path: Path | None


@final
class Verifier:
    """Verifies images of one store. ``read``, ``write`` and ``operation`` open its units."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def verify(self, image_id: ImageID) -> DiffState:
        """Look at every layer of the image that nobody has looked at yet, and remember the answer.

        An image with layers that are not here (foreign ones) stays `DiffState.UNVERIFIED`. Raises
        ImageNotFound.
        """
        with self._workspace.read() as connection:
            key = images.key_of(connection, image_id)
            if key is None:
                raise ImageNotFound(f"No such image: {image_id}")
            state = DiffState(verification.diff_state(connection, key))
        if state is DiffState.VERIFIED:
            return state
        config = ImageConfig.parse(
            self._workspace.read_whole(image_id.digest), DEFAULT_LIMITS, digest=image_id.digest
        )
        with self._workspace.operation("verify") as operation:
            with self._workspace.write(operation.id) as connection:
                claims = self._claims(connection, key, config.diff_ids)
                leases.add_leases(
                    connection,
                    operation.id,
                    [
                        one.key
                        for one in content.find(
                            connection, {claim.blob for claim in claims}
                        ).values()
                    ],
                )
            proofs = [
                proof
                for proof in (self._prove(claim, operation) for claim in claims)
                if proof is not None
            ]
            with self._workspace.write(operation.id) as connection:
                self._place(connection, proofs, operation)
                here = content.present(connection, [diff.digest for diff in config.diff_ids])
                false = {claim.diff for claim in claims} - {proof.claim.diff for proof in proofs}
                if all(diff.digest in here for diff in config.diff_ids):
                    state = DiffState.VERIFIED
                else:
                    state = (
                        DiffState.MISMATCH
                        if any(diff.digest not in here for diff in false)
                        else DiffState.UNVERIFIED
                    )
                verification.set_diff_state(connection, key, state.value)
                operations.end(connection, operation)
        return state

    @staticmethod
    def _claims(connection: Connection, key: ContentKey, diffs: tuple[DiffID, ...]) -> list[_Claim]:
        """What the image's manifests say and nobody has looked into yet."""
        found: dict[_Claim, None] = {}
        for blobs in verification.layer_blobs(connection, key).values():
            if len(blobs) == len(diffs):
                found.update(
                    (_Claim(blob, diff), None)
                    for (blob, state), diff in zip(blobs, diffs, strict=True)
                    if state is ContentState.PRESENT
                )
        known = encodings.encoded(connection, [claim.blob for claim in found])
        return [
            claim
            for claim in found
            if claim.blob != claim.diff.digest and (claim.blob, claim.diff.digest) not in known
        ]

    def _prove(self, claim: _Claim, operation: Operation) -> _Proof | None:
        with self._workspace.read() as connection:
            sources = content.sources(connection, (claim.blob,)).get(claim.blob)
        if sources is None or not sources.in_file:
            return None
        with open_stored(self._workspace.blobs, claim.blob) as blob:
            codec = detect(blob.pread(0, MAGIC_BYTES))
            hashed = hashlib.new(claim.diff.digest.algorithm, usedforsecurity=False)
            path = None if codec in (Codec.GZIP, Codec.ZSTD) else operation.new_file()
            try:
                size = _copy(_decoded(blob, codec), hashed.update, path)
            except InvalidInput:
                return None
            if hashed.hexdigest() != claim.diff.digest.hex:
                return None
            stored = StoredEncoding(claim.blob, codec, sources.size_bytes, seekable=True)
            seekable = Frames.of(blob, stored, size) is not None
        return _Proof(claim, codec, size, seekable, path)

    def _place(self, connection: Connection, proofs: list[_Proof], operation: Operation) -> None:
        for proof in proofs:
            diff = proof.claim.diff.digest
            if proof.path is not None:
                if not content.has_sound_file(connection, diff):
                    operation.announce((diff,))
                    blobs = self._workspace.blobs
                    blobs.publish(((proof.path, blobs.location(diff)),))
                content.put_blob(connection, diff, proof.size_bytes, self._workspace.now())
                continue
            stored = content.find(connection, (proof.claim.blob,))[proof.claim.blob]
            decoded, damaged = content.ensure_decoded(connection, {diff: proof.size_bytes})
            condemned.condemn(connection, damaged, self._workspace.now())
            encodings.put_encodings(
                connection,
                [
                    encodings.NewEncoding(
                        decoded[diff], stored.key, proof.codec.value, seekable=proof.seekable
                    )
                ],
            )


def _decoded(blob: OpenBlob, codec: Codec) -> Iterable[bytes]:
    decode = decoder(codec, max_bytes=DEFAULT_LIMITS.layer_bytes)
    while data := blob.read(PIECE_BYTES):
        yield from decode.feed(data)
    yield from decode.finish()


def _copy(pieces: Iterable[bytes], see: Callable[[bytes], None], path: Path | None) -> int:
    """Show every piece, write it to ``path`` durably when there is one.

    How many bytes there were.
    """
    size = 0
    if path is None:
        for piece in pieces:
            see(piece)
            size += len(piece)
        return size
    with translated(path), path.open("xb") as out:
        for piece in pieces:
            see(piece)
            out.write(piece)
            size += len(piece)
        out.flush()
        os.fsync(out.fileno())
    return size
