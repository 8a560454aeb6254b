"""Checks of foreign encodings, made before a part of a content is decoded from one.

Imports and the verification of pushes check an encoding before they record it. Only encodings that
an older program recorded are not checked yet (migration 0004).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, final

from store.content.encoding_check import decodes_to, has_digest, has_sound_frames
from store.content.stored import damaged, false_encoding, open_stored
from store.errors import FalseEncoding

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.blobs.protocol import BlobStore
    from store.model.contents import Sources, StoredEncoding
    from store.model.digests import Digest

logger = logging.getLogger(__name__)


@final
class Prover:
    """Checks foreign encodings of one store, each once. Threads may share it.

    Args:
        blobs: Where the encodings are stored.
        record: Records a check of an encoding of a content, and returns whether it could. If not,
            this object remembers the check.
        report: Called with what is found false.
    """

    def __init__(
        self,
        blobs: BlobStore,
        record: Callable[[Digest, StoredEncoding], bool],
        report: Callable[[FalseEncoding], None],
    ) -> None:
        self._blobs = blobs
        self._record = record
        self._report = report
        self._known: dict[tuple[Digest, Digest], StoredEncoding] = {}
        # One check at a time: it reads and decodes whole blobs.
        self._checking = threading.Lock()

    def prove(self, sources: Sources) -> Sources:
        """Make sure that parts of a content may be decoded alone.

        Args:
            sources: The forms of the content.

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
        """Decode a whole encoding in every way that readers do, and record that it is true.

        Args:
            sources: The content that it has to decode to.
            stored: The encoding.

        Returns:
            The encoding as it was recorded.

        Raises:
            FalseEncoding: It has its digest, and decodes to something else.
            DamagedContent: It does not have its digest.
            ContentMissing: Its blob is missing.
        """
        pair = (sources.digest, stored.digest)
        with self._checking:
            if pair in self._known:
                return self._known[pair]
            with open_stored(self._blobs, stored.digest) as blob:
                if not decodes_to(blob, stored.codec, sources.digest, sources.size_bytes):
                    if has_digest(blob, stored.digest):
                        raise false_encoding(stored.digest, sources.digest)
                    raise damaged(stored.digest, "its bytes have another digest")
                seekable = has_sound_frames(blob, stored, sources.digest, sources.size_bytes)
            checked = replace(stored, seekable=seekable, is_checked=True)
            if not self._record(sources.digest, checked):
                self._known[pair] = checked
        return checked
