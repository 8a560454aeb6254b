"""Ceilings for the labels of configs and the annotations of manifests and indexes.

The database has a row for each label and each annotation. Only imports and pushes check these
ceilings: a document that an older version has stored remains readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.errors import TooLarge

if TYPE_CHECKING:
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document
    from store.model.digests import Digest
    from store.model.limits import Limits


def require_few_labels(config: ImageConfig, limits: Limits) -> None:
    """Check the number of a config's labels.

    Raises:
        TooLarge: The config has more than ``limits.labels`` labels.
    """
    _require_few(f"config {config.image_id}", "labels", len(config.labels), limits)


def require_few_annotations(document: Document, limits: Limits) -> None:
    """Check the number of the annotations of a manifest or index, without its descriptors.

    Raises:
        TooLarge: The document has more than ``limits.labels`` annotations.
    """
    _require_few(
        f"{document.kind} {document.digest}", "annotations", len(document.annotations), limits
    )


def _require_few(name: str, what: str, count: int, limits: Limits) -> None:
    if count > limits.labels:
        raise TooLarge(
            f"invalid {name}: {count} {what} given, at most {limits.labels} allowed",
            limit=limits.labels,
        )


@final
class LabelBudget:
    """A counter of the labels and annotations of all documents of one archive.

    Args:
        limits: Hold the ceilings for one document and for all documents together.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._counted: set[Digest] = set()
        self._total = 0

    def add_config(self, config: ImageConfig) -> None:
        """Count the labels of a config, unless the config is counted already.

        Raises:
            TooLarge: The config or the archive has too many labels.
        """
        require_few_labels(config, self._limits)
        self._add(config.image_id.digest, len(config.labels))

    def add_document(self, document: Document) -> None:
        """Count the annotations of a manifest or index, unless it is counted already.

        Raises:
            TooLarge: The document or the archive has too many annotations.
        """
        require_few_annotations(document, self._limits)
        self._add(document.digest, len(document.annotations))

    def _add(self, digest: Digest, count: int) -> None:
        if not count or digest in self._counted:
            return
        self._counted.add(digest)
        self._total += count
        limit = self._limits.labels_in_archive
        if self._total > limit:
            raise TooLarge(
                f"too many labels and annotations in the archive: at least {self._total} given, at"
                f" most {limit} allowed",
                limit=limit,
                hint="split the archive into several archives",
            )
