"""Check a foreign encoding before a part of it is decoded for the first time.

Imports, and the verification of pushes, check an encoding before they record it. Only encodings
that an older version of this program recorded may still be unchecked (migration 0004).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, final

from store.catalog import encodings
from store.content.encoding_check import decodes_to, has_digest, has_sound_frames
from store.content.stored import damaged, false_encoding, open_stored
from store.errors import FalseEncoding, Unavailable, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.blobs.protocol import BlobStore
    from store.formats.compression.memory import MemoryBudget
    from store.model.contents import Sources, StoredEncoding
    from store.model.digests import Digest
    from store.workspace.damage import OpenedStore

logger = logging.getLogger(__name__)


def note_check(workspace: OpenedStore, digest: Digest, checked: StoredEncoding) -> bool:
    """Record that an encoding was checked; return whether that was possible.

    Args:
        workspace: The opened store.
        digest: The digest of the decoded bytes.
        checked: The encoding.
    """
    if workspace.read_only:
        return False
    try:
        with workspace.write("check") as connection:
            encodings.note_check(connection, digest, checked.digest, seekable=checked.seekable)
    except Unavailable as exc:
        # The caller does not need the note, so a full disk must not prevent the answer.
        logger.warning("%s", printable(exc.message))
        return False
    return True


@final
class Prover:
    """Checks foreign encodings of one store, each once. Threads may share this object.

    Args:
        blobs: The blob store that holds the encodings.
        record: Records in the catalogue that an encoding of a digest was checked; returns whether
            it could be recorded. If not, this object remembers the check.
        report: Called with the error of each false encoding.
        memory: The budget for the memory of decoders.
    """

    def __init__(
        self,
        blobs: BlobStore,
        record: Callable[[Digest, StoredEncoding], bool],
        report: Callable[[FalseEncoding], object],
        memory: MemoryBudget,
    ) -> None:
        self._blobs = blobs
        self._memory = memory
        self._record = record
        self._report = report
        self._known: dict[tuple[Digest, Digest], StoredEncoding] = {}
        # Only one check runs at a time, because it reads and decodes whole blobs.
        self._checking = threading.Lock()

    def prove(self, sources: Sources) -> Sources:
        """Prove that parts of a digest's bytes may be decoded alone.

        Args:
            sources: The stored forms of the digest.

        Returns:
            The forms without the false encodings; the first form is proven.

        Raises:
            DamagedContent: Stored bytes are wrong, or no form is left.
            ContentMissing: A blob is missing.
        """
        while not sources.is_proven:
            first, *others = sources.encodings
            try:
                checked = self.check(sources, first)
            except FalseEncoding as exc:
                self._report(exc)
                if not others:
                    raise
                logger.error("%s", exc.message)  # noqa: TRY400 - the cause is known
                sources = replace(sources, encodings=tuple(others))
            else:
                sources = replace(sources, encodings=(checked, *others))
        return sources

    def check(self, sources: Sources, stored: StoredEncoding) -> StoredEncoding:
        """Check a whole encoding in every way that readers decode it, and record the success.

        Args:
            sources: The digest that the encoding must decode to, with its stored forms.
            stored: The encoding to check.

        Returns:
            The encoding, with the result of the check.

        Raises:
            FalseEncoding: The blob has its digest, but decodes to different bytes.
            DamagedContent: The blob does not have its digest.
            ContentMissing: The blob is missing.
        """
        pair = (sources.digest, stored.digest)
        with self._checking:
            if pair in self._known:
                return self._known[pair]
            with open_stored(self._blobs, stored.digest) as blob:
                if not decodes_to(
                    blob, stored.codec, sources.digest, sources.size_bytes, self._memory
                ):
                    if has_digest(blob, stored.digest):
                        raise false_encoding(stored.digest, sources.digest)
                    raise damaged(stored.digest, "its bytes have a different digest")
                seekable = has_sound_frames(
                    blob, stored, sources.digest, sources.size_bytes, self._memory
                )
            checked = replace(stored, seekable=seekable, is_checked=True)
            if not self._record(sources.digest, checked):
                self._known[pair] = checked
        return checked
