"""A check that the layers of a pushed image decode to the diff IDs in the image's config.

Pushed layers are decoded, hashed and checked to be a tar. A layer with the right diff ID becomes an
encoding of that diff.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, encodings, images
from store.catalog.checking import verification
from store.catalog.collection import condemned
from store.catalog.in_progress import leases
from store.errors import ImageNotFound
from store.files.os_errors import translated
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.maintenance.layer_proofs import Claim, Fault, LayerProver, Proof
from store.model.contents import Codec, ContentState, DiffState
from store.model.digests import DiffID
from store.model.limits import DEFAULT_LIMITS
from store.workspace import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.model.digests import Digest, ImageID
    from store.workspace.operations import Operation
    from store.workspace.workspace import Workspace

_BEST: Final = (DiffState.VERIFIED, DiffState.UNVERIFIED, DiffState.MISMATCH)
"""The state of an image is the first of these states that one of its manifests has."""


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
        self._prover = LayerProver(workspace)

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
        return not all(map(self._prover.known_fault, claims))

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

        def check() -> None:
            if is_stopped():
                raise _StoppedError

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
                sizes = {digest: blob.size_bytes or 0 for digest, blob in blobs.items()}
                # The largest first, so that no thread is left with it at the end.
                claims.sort(key=lambda claim: sizes.get(claim.blob, 0), reverse=True)
                attempts = self._prove(claims, check)
                proofs = [proof for proof in attempts if isinstance(proof, Proof)]
                with workspace.write(operation.id) as connection:
                    self._record(connection, operation, proofs)
                    proven = _proven(connection, listed.values())
                    proven.update(proof.claim for proof in proofs)
                    states = {
                        manifest: decide(layers, config.diff_ids, proven)
                        for manifest, layers in listed.items()
                    }
                    verification.set_manifest_states(connection, states)
                    _, state = _find(connection, image_id)
                    if state is not DiffState.VERIFIED:
                        state = min(states.values(), key=_BEST.index, default=state)
                        verification.set_diff_states(connection, {key: state})
                    operations.end(connection, operation)
        except _StoppedError:
            pass
        return state

    def _prove(self, claims: Sequence[Claim], check: Callable[[], None]) -> list[Proof | Fault]:
        """Try claims, several at once where the process allows it; return what became of each."""
        threads = min(self._workspace.decoding.threads, len(claims))
        if threads <= 1:
            return [self._prover.prove(claim, check) for claim in claims]
        ended = threading.Event()

        def check_both() -> None:
            if ended.is_set():
                raise _StoppedError
            check()

        with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
            try:
                waiting = [pool.submit(self._prover.prove, claim, check_both) for claim in claims]
                return [one.result() for one in waiting]
            finally:
                # After an error or an interruption, the other threads give up.
                ended.set()

    def layer_fault(self, manifest: Digest, image_id: ImageID) -> tuple[str, bool] | None:
        """Return why the layers of a manifest are not those of its config.

        Args:
            manifest: The digest of a manifest that describes an image.
            image_id: The image.

        Returns:
            The fault of the first such layer, and whether the layer decodes to more than a limit
            allows; None if all stored layers are right.
        """
        document = Document.parse(
            self._workspace.read_whole(manifest), digest=manifest, is_stored=True
        )
        layers = [link.digest for link in document.layers]
        with self._workspace.read() as connection:
            present = content.present(connection, layers)
        claims = map(Claim, layers, self._config(image_id).diff_ids)
        for position, claim in enumerate(claims):
            if claim.blob in present:
                found = self._prover.prove(claim, lambda: None)
                if isinstance(found, Fault):
                    fact = f"layer {position} ({claim.blob}) {found.reason}"
                    return fact, found.is_too_large
        return None

    def _config(self, image_id: ImageID) -> ImageConfig:
        return ImageConfig.parse(
            self._workspace.read_whole(image_id.digest), DEFAULT_LIMITS, digest=image_id.digest
        )

    def _record(
        self, connection: Connection, operation: Operation, proofs: Iterable[Proof]
    ) -> None:
        """Record each proven blob as an encoding of its diff, unless it is the diff itself."""
        now = self._workspace.now()
        for proof in proofs:
            diff = proof.claim.diff.digest
            if proof.codec is Codec.IDENTITY:
                if not proof.claim.is_plain:
                    self._add_digest(connection, operation, proof)
                continue
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

    def _add_digest(self, connection: Connection, operation: Operation, proof: Proof) -> None:
        """Store a plain layer under its diff ID as well, if the manifest lists another digest.

        A manifest may list a layer by its sha512 digest, and the config by its sha256 digest. The
        layer may have been imported: then it is stored compressed.
        """
        blobs, claim = self._workspace.blobs, proof.claim
        diff = claim.diff.digest
        if diff in content.present(connection, (diff,)):
            return
        path = operation.new_file()
        if not self._linked(claim.blob, path):
            source = self._workspace.sources((claim.blob,))[claim.blob]
            with (
                self._workspace.reader() as reader,
                translated(path),
                operation.create(path) as file,
            ):
                file.writelines(reader.chunks(source))
                file.flush()
                os.fsync(file.fileno())
        operation.announce((diff,))
        blobs.publish(((path, blobs.location(diff)),))
        content.put_blob(connection, diff, proof.size_bytes, self._workspace.now())

    def _linked(self, digest: Digest, path: Path) -> bool:
        """Link a blob's file to ``path`` as well; return False if there is no file to link.

        No other writer waits for a link, as it would for a copy.
        """
        blobs = self._workspace.blobs
        opened = blobs.open(blobs.location(digest))
        if opened is None:
            return False
        with opened as blob:
            file = blob.as_file()
            try:
                folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
                try:
                    # With a folder, Python calls linkat(2), which follows the link in /proc.
                    os.link(str(file.fileno()), path, src_dir_fd=folder, follow_symlinks=True)
                finally:
                    os.close(folder)
            except OSError:
                # The system has no /proc, or the file system has no links.
                return False
            return True


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
    known = _known(connection, {claim.blob for claim in found})
    return [claim for claim in found if claim not in known]


def _proven(
    connection: Connection, manifests: Iterable[Sequence[tuple[Digest, ContentState]]]
) -> set[Claim]:
    """Return the claims about the layers of manifests that are known to hold."""
    return _known(connection, {blob for layers in manifests for blob, _ in layers})


def _known(connection: Connection, blobs: AbstractSet[Digest]) -> set[Claim]:
    """Return the claims about blobs that the catalogue records as true."""
    decoded = {Claim(stored, DiffID(diff)) for stored, diff in encodings.encoded(connection, blobs)}
    plain = verification.checked_layers(connection, blobs)
    return decoded | {Claim(blob, DiffID(blob)) for blob in plain}
