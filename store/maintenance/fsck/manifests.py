"""A check of the rows of manifests against the documents that they describe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, final

from store.catalog import manifests
from store.catalog.checking import audit, raw_rows
from store.errors import InvalidInput, StoreError
from store.formats.image.manifests import Document
from store.maintenance.fsck.images import DIFF_STATES, as_json, document_bytes
from store.maintenance.fsck.verdicts import Verdict, parsed
from store.maintenance.reports import Finding, Severity
from store.maintenance.verification import Verifier
from store.model.contents import ContentState
from store.model.limits import DEFAULT_LIMITS
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from store.catalog.checking.raw_rows import Range
    from store.maintenance.fsck.verdicts import Check
    from store.model.digests import Digest

_LIMITS: Final = replace(DEFAULT_LIMITS, manifest_entries=DEFAULT_LIMITS.json_values)
"""A store may hold longer lists than an import accepts today."""

_JSON: Final = ("platform", "annotations", "urls")


@final
class Manifests:
    """The check of the rows of manifests, indexes and their links.

    Args:
        check: The check that this is a step of.
    """

    def __init__(self, check: Check) -> None:
        self._check = check

    def run(self) -> Iterator[Verdict]:
        """Yield the findings about manifests, then about layers that contradict their image."""
        for rows, edges, labels, served in self._check.walk("content", _read):
            self._check.checked.add("Manifests", len(rows))
            for row in rows:
                digest = parsed(row.digest)
                if digest is not None and digest not in self._check.unsound:
                    yield from self._manifest(
                        row,
                        digest,
                        edges.get(row.id, []),
                        labels.get(row.id, {}),
                        served.get(row.id, []),
                    )
        yield from self._check.malformed()
        yield from self._contradictions()

    def _manifest(
        self,
        row: Any,  # noqa: ANN401 - a raw row
        digest: Digest,
        edges: Sequence[Any],
        labels: dict[Any, Any],
        served: Sequence[Any],
    ) -> Iterator[Verdict]:
        data = document_bytes(self._check, row.data, digest)
        if data is None:
            return
        document = self._parse(data, digest, row.media_type)
        if isinstance(document, Verdict):
            yield document
            return
        self._check.checked.add("Links", len(edges))
        yield from self._facts(row, digest, document)
        yield from self._links(digest, edges, document)
        if labels != dict(document.annotations):
            why = "it has other annotations than the catalogue"
            yield self._check.error("wrong-labels", digest, why, table="label")
        for media_type in served:
            found = self._parse(data, digest, media_type)
            if isinstance(found, Verdict) or found.kind is not document.kind:
                why = f"a repository serves it as {media_type!r}"
                yield self._check.error("wrong-facts", digest, why, table="repository_content")

    def _parse(self, data: bytes, digest: Digest, media_type: object) -> Document | Verdict:
        # Parse the document as in an import: Python's JSON parser accepts neither invalid UTF-8 nor
        # deep nesting. A document without a media type has the media type of its push.
        try:
            return Document.parse(
                data,
                digest=digest,
                media_type=media_type if isinstance(media_type, str) else "?",
                limits=_LIMITS,
                is_stored=True,
            )
        except InvalidInput as exc:
            why = f"invalid manifest: {exc.message}"
            return self._check.error("bad-manifest", digest, why, table="manifest")

    def _facts(self, row: Any, digest: Digest, document: Document) -> Iterator[Verdict]:  # noqa: ANN401 - a raw row
        subject = None if document.subject is None else str(document.subject.digest)
        said = (row.kind, row.artifact_type or "", row.subject)
        if said != (document.kind.value, document.effective_artifact_type, subject):
            why = "the catalogue records another kind, artifact type or subject than it has"
            yield self._check.error("wrong-facts", digest, why, table="manifest")
        config = document.config
        is_image = row.image is not None
        if is_image and (config is None or row.image != str(config.digest)):
            why = "the catalogue records another image than its config"
            yield self._check.error("wrong-image", digest, why, table="manifest")
        if row.diff_state not in (DIFF_STATES if is_image else (None,)):
            why = "the state of its layers makes no sense"
            yield self._check.error("senseless-row", digest, why, table="manifest")

    def _links(self, digest: Digest, edges: Sequence[Any], document: Document) -> Iterator[Verdict]:
        wanted = {
            (link.role.value, link.position): (
                str(link.digest),
                manifests.edge_row(link),
                link.target.size_bytes,
            )
            for link in document.links
        }
        for row in edges:
            target, facts, size = wanted.pop((row.role, row.position), ("", {}, 0))
            is_wrong = (
                row.digest != target
                or row.media_type != facts["media_type"]
                or any(as_json(getattr(row, name)) != facts[name] for name in _JSON)
            )
            if is_wrong:
                why = "its links differ from the links that the catalogue records"
                yield self._check.error("wrong-edges", digest, why, table="manifest_edge")
                return
            if row.state == ContentState.PRESENT.value and row.size_bytes != size:
                yield self._check.row(
                    "wrong-size",
                    target,
                    f"has {size} bytes by {digest}, and the catalogue says {row.size_bytes}",
                    "content",
                )
        if wanted:
            why = "its links differ from the links that the catalogue records"
            yield self._check.error("wrong-edges", digest, why, table="manifest_edge")

    def _contradictions(self) -> Iterator[Verdict]:
        """Yield the images whose layers contradict their config.

        The stored bytes are as they were pushed or imported, so this is a warning.
        """
        try:
            with self._check.workspace.read() as connection:
                rows = audit.unproven(connection)
        except (StoreError, ValueError):
            # Rows that make no sense, or cannot be read, are findings of their own.
            return
        verifier = Verifier(self._check.workspace)
        for digest, image_id, names in rows:
            try:
                found = verifier.layer_fault(digest, image_id)
            except (StoreError, ValueError, KeyError):
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
                    digest=digest,
                )
                yield Verdict(finding)


def _read(
    connection: Connection, some: Range
) -> tuple[Sequence[Any], dict[int, list[Any]], dict[int, dict[Any, Any]], dict[int, list[Any]]]:
    rows = raw_rows.manifests(connection, some)
    if not rows:
        return rows, {}, {}, {}
    return (
        rows,
        raw_rows.edges(connection, some),
        raw_rows.labels(connection, some),
        raw_rows.served_types(connection, some),
    )
