"""A check of a whole store that recomputes all digests, diff IDs, chain IDs and edges."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.catalog import content
from store.catalog.checking import audit
from store.content.examination import Condition
from store.errors import (
    DamagedContent,
    FalseEncoding,
    IntegrityError,
    InvalidInput,
    StoreError,
    Unavailable,
    printable,
)
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.maintenance import quarantine
from store.maintenance.reports import Finding, Severity
from store.maintenance.verification import Verifier
from store.model.contents import ContentState, Sources
from store.model.digests import ChainID, Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.remedies import Remedy
from store.workspace import damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.content.examination import Examination
    from store.content.reader import Reader
    from store.model.digests import DiffID
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_LIMITS: Final = replace(DEFAULT_LIMITS, manifest_entries=DEFAULT_LIMITS.json_values)
"""A store may hold longer lists than an import accepts today."""

_REPAIR: Final = "import an archive that holds this content to repair it"
_TRY_AGAIN: Final = "correct the cause and check again: nothing is known about this content"


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, and the content that the caller must mark as damaged.

    Attributes:
        finding: The fact to report.
        damaged: The digest to mark as damaged; None if no stored bytes are wrong.
        sound: The digest whose mark must be removed, because its bytes are right; None if it has
            no mark.
        false_for: The content that the blob ``damaged`` should decode to but does not. None if the
            bytes of the blob are themselves wrong, or if there is no such content.
    """

    finding: Finding
    damaged: Digest | None = None
    sound: Digest | None = None
    false_for: Digest | None = None


def check(workspace: Workspace, progress: Progress) -> Iterator[Finding]:
    """Check the whole store; yield each finding when it is found, and record it afterwards.

    Content whose bytes are wrong is marked as damaged, and marks of sound content are removed. If
    that is impossible (the disk is full, the store is read-only), the check goes on.

    Args:
        workspace: The store to check.
        progress: Receives a report for each digest whose bytes are read.
    """
    if not workspace.read_only:
        try:
            quarantine.give_back(workspace)
        except Unavailable as exc:
            logger.warning("cannot look into the quarantine: %s", printable(exc.message))
    unrecorded = 0
    for verdict in Checker(workspace, progress).run():
        yield verdict.finding
        unrecorded += not _record(workspace, verdict)
    if unrecorded:
        yield Finding(
            Severity.WARNING,
            "not-recorded",
            "store.db",
            f"the marks of {unrecorded} damaged or repaired contents cannot be written now",
            hint="correct the cause and check again, so that damaged content is not served",
        )


def _record(workspace: Workspace, verdict: Verdict) -> bool:
    """Write the mark of a verdict; return False if that is impossible now."""
    if workspace.read_only:
        return True
    if verdict.sound is not None:
        return damage.clear(workspace, verdict.sound)
    if verdict.damaged is None:
        return True
    message, digest = verdict.finding.message, verdict.damaged
    return workspace.report_damage(
        DamagedContent(message, digest=digest)
        if verdict.false_for is None
        else FalseEncoding(message, digest=digest, content=verdict.false_for)
    )


@final
class Checker:
    """One check of the whole store.

    Other processes may write during the check. So content that looks damaged is looked up again
    before it is reported.

    Args:
        workspace: The store to check.
        progress: Receives a report for each digest whose bytes are read.
    """

    def __init__(self, workspace: Workspace, progress: Progress) -> None:
        self._workspace = workspace
        self._read = workspace.read
        self._reader = workspace.reader
        self._blobs = workspace.blobs
        self._prover = workspace.prover
        self._verifier = Verifier(workspace)
        self._progress = progress
        self._unsound: set[Digest] = set()

    def run(self) -> Iterator[Verdict]:
        """Yield the findings about stored bytes, then about rows, then about files."""
        yield from self._bytes()
        yield from self._decodings()
        yield from self._chains()
        yield from self._manifests()
        yield from self._contradictions()
        yield from self._files()

    # --- bytes ------------------------------------------------------------------------------------

    def _bytes(self) -> Iterator[Verdict]:
        with self._read() as connection:
            rows = audit.stored(connection)
        self._progress.total(sum(size for _, size, _, _ in rows))
        for digest, size, state, _in_file in rows:
            key = str(digest)
            self._progress.start(key, digest.short, size)
            found = damage.examination(self._workspace, digest)
            self._progress.advance(key, size)
            self._progress.finish(key)
            if found is None:
                continue
            if found.condition is not Condition.SOUND:
                self._unsound.add(digest)
                if self._still_stored(digest):
                    yield self._unsound_verdict(digest, found)
                continue
            if found.size_bytes != size:
                yield self._finding(
                    "wrong-size",
                    digest,
                    f"has {found.size_bytes} bytes, and the catalogue says {size}",
                )
            if state is ContentState.DAMAGED:
                verdict = self._finding(
                    "marked-damaged",
                    digest,
                    "was marked as damaged, but its bytes are correct",
                    severity=Severity.WARNING,
                )
                yield replace(verdict, sound=digest)

    def _unsound_verdict(self, digest: Digest, found: Examination) -> Verdict:
        if found.condition is Condition.DAMAGED:
            return self._damage("damaged", digest, found.reason)
        if found.condition is Condition.MISSING:
            with self._read() as connection:
                is_decoded = bool(content.sources(connection, (digest,))[digest].encodings)
            return self._finding(
                "missing",
                digest,
                f"{found.reason}; its bytes are decoded from another file"
                if is_decoded
                else found.reason,
                severity=Severity.WARNING if is_decoded else Severity.ERROR,
            )
        return self._unreadable(digest, found.reason)

    def _unreadable(self, digest: Digest, reason: str) -> Verdict:
        verdict = self._finding("unreadable", digest, reason)
        # Nothing is known about the bytes, so there is nothing to import again.
        return replace(verdict, finding=replace(verdict.finding, hint=_TRY_AGAIN))

    def _still_stored(self, digest: Digest) -> bool:
        with self._read() as connection:
            return digest in content.find(connection, (digest,))

    def _decodings(self) -> Iterator[Verdict]:
        with self._read() as connection:
            pairs = audit.encodings(connection)
        with self._reader() as reader:
            for digest, stored in pairs:
                with self._read() as connection:
                    sources = content.sources(connection, (digest,)).get(digest)
                if sources is None or stored in self._unsound:
                    continue
                encodings = tuple(one for one in sources.encodings if one.digest == stored)
                if not encodings:
                    continue
                try:
                    self._decode(
                        reader,
                        Sources(
                            digest,
                            sources.size_bytes,
                            ContentState.PRESENT,
                            None,
                            in_file=False,
                            encodings=encodings,
                        ),
                    )
                except FalseEncoding as exc:
                    verdict = self._damage("wrong-diff", stored, exc.message)
                    yield replace(verdict, false_for=digest)
                except IntegrityError as exc:
                    # Its bytes have their digest: they were read above.
                    verdict = self._damage("undecodable", stored, exc.message)
                    yield replace(verdict, false_for=digest)
                except (Unavailable, MemoryError) as exc:
                    yield self._unreadable(stored, f"cannot be decoded now: {exc}")

    def _decode(self, reader: Reader, sources: Sources) -> None:
        """Decode the only encoding in ``sources``. If it is not proven yet, prove it.

        Raises:
            IntegrityError: The encoding is damaged, or decodes to other bytes.
        """
        (stored,) = sources.encodings
        if not stored.is_proven:
            self._prover.check(sources, stored)
            return
        # The disk may have changed an encoding of ours, so it is hashed like any other.
        foreign = replace(sources, encodings=(replace(stored, is_ours=False),))
        for _ in reader.chunks(foreign):
            pass

    # --- rows -------------------------------------------------------------------------------------

    def _chains(self) -> Iterator[Verdict]:
        with self._read() as connection:
            for digest, _state in audit.unobtainable(connection):
                yield self._finding(
                    "no-bytes", digest, "is recorded as present, but is not stored in any form"
                )
            chains: dict[ChainID, tuple[DiffID, ...]] = {}
            for chain, parent, diff, depth in audit.layers(connection):
                diffs = (*chains.get(parent, ()), diff) if parent is not None else (diff,)
                chains[chain] = diffs
                if depth != len(diffs) or ChainID.of(diffs) != chain:
                    yield self._finding(
                        "wrong-chain",
                        chain.digest,
                        f"is not the chain ID of its {len(diffs)} layer(s)",
                    )
            images = audit.images(connection)
            documents = content.sources(connection, [image_id.digest for image_id, _ in images])
        with self._reader() as reader:
            for image_id, top in images:
                try:
                    config = ImageConfig.parse(b"".join(reader.chunks(documents[image_id.digest])))
                except IntegrityError:
                    continue
                except InvalidInput as exc:
                    yield self._finding(
                        "bad-config", image_id.digest, f"invalid image config: {exc.message}"
                    )
                    continue
                if config.diff_ids != (chains.get(top, ()) if top is not None else ()):
                    yield self._finding(
                        "wrong-layers",
                        image_id.digest,
                        "its config has other layers than the catalogue",
                    )

    def _manifests(self) -> Iterator[Verdict]:
        with self._read() as connection:
            rows = audit.manifests(connection)
            documents = content.sources(connection, [row.digest for row in rows])
        with self._reader() as reader:
            for row in rows:
                try:
                    # Parse the document as in an import: Python's JSON parser accepts neither
                    # invalid UTF-8 nor deep nesting. A document without a media type has the media
                    # type of its push.
                    document = Document.parse(
                        b"".join(reader.chunks(documents[row.digest])),
                        digest=row.digest,
                        media_type=row.media_type,
                        limits=_LIMITS,
                        is_stored=True,
                    )
                except IntegrityError:
                    continue
                except InvalidInput as exc:
                    yield self._finding(
                        "bad-manifest", row.digest, f"invalid manifest: {exc.message}"
                    )
                    continue
                if sorted(
                    (link.role.value, link.position, link.digest) for link in document.links
                ) != sorted(row.edges):
                    yield self._finding(
                        "wrong-edges",
                        row.digest,
                        "its links differ from the links that the catalogue records",
                    )

    def _contradictions(self) -> Iterator[Verdict]:
        """Yield the images whose layers contradict their config.

        The stored bytes are as they were pushed or imported, so this is a warning.
        """
        with self._read() as connection:
            rows = audit.unproven(connection)
        for digest, image_id, names in rows:
            try:
                found = self._verifier.layer_fault(digest, image_id)
            except StoreError:
                # Damaged bytes are findings of their own, and a removed image is none.
                continue
            if found is not None:
                finding = Finding(
                    Severity.WARNING,
                    "contradiction",
                    str(digest),
                    f"the layers of {digest} contradict its config: {found[0]}",
                    names or (str(image_id),),
                    remedy=Remedy.REBUILD_IMAGE,
                )
                yield Verdict(finding)

    # --- files ------------------------------------------------------------------------------------

    def _files(self) -> Iterator[Verdict]:
        files = self._blobs.locations()
        while True:
            try:
                location = next(files, None)
                if location is None:
                    return
                digest = self._blobs.digest(location)
                with self._read() as connection:
                    known = content.has_blob_row(connection, digest)
                is_orphan = not known and self._blobs.size(location) is not None
            except Unavailable as exc:
                yield Verdict(
                    Finding(
                        Severity.ERROR,
                        "unreadable",
                        "blobs",
                        f"cannot look for files that are not in the catalogue: {exc.message}",
                        hint=exc.hint,
                        remedy=exc.remedy,
                    )
                )
                return
            if is_orphan:
                finding = Finding(
                    Severity.WARNING,
                    "orphan",
                    str(digest),
                    f"the file of {digest} is not in the catalogue",
                    remedy=Remedy.COLLECT_GARBAGE,
                )
                yield Verdict(finding)

    def _damage(self, kind: str, digest: Digest, why: str) -> Verdict:
        return Verdict(self._finding(kind, digest, why).finding, damaged=digest)

    def _finding(
        self, kind: str, digest: Digest, why: str, *, severity: Severity = Severity.ERROR
    ) -> Verdict:
        with self._read() as connection:
            images = audit.affected(connection, digest)
        return Verdict(
            Finding(
                severity,
                kind,
                str(digest),
                f"{digest}: {why}",
                images,
                hint=_REPAIR if severity is Severity.ERROR else None,
            )
        )
