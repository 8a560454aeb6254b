"""The store itself as a donor: what can be derived from the content that is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.catalog import content
from store.catalog.checking import losses
from store.errors import IntegrityError, InvalidInput
from store.formats.image.config import ImageConfig
from store.formats.image.deterministic import deterministic_manifest
from store.repair.logged_documents import logged_documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.content.reader import Reader
    from store.importing.staging import Staged, Stager
    from store.model.digests import Digest
    from store.repair.needs import Needs
    from store.workspace.workspace import Workspace


@final
class LocalDonor:
    """The store that is repaired; implements `store.repair.donors.Donor`.

    Args:
        workspace: The store.
        needs: What the store lacks.
        reader: Reads and verifies its bytes.
        stager: Stages layers that are encoded again.
        documents: Documents that a dry run has brought from other donors, by digest.
    """

    name = "this store"

    def __init__(
        self,
        workspace: Workspace,
        needs: Needs,
        reader: Reader,
        stager: Stager,
        documents: Mapping[Digest, bytes],
    ) -> None:
        self._workspace = workspace
        self._needs = needs
        self._reader = reader
        self._stager = stager
        self._documents = documents
        self._logged: dict[Digest, bytes] | None = None

    def document(self, digest: Digest) -> bytes | None:
        """Return a document from the log beside the catalogue, or a manifest that is derived.

        The manifest of an image from a Docker archive is a function of the config and the sizes of
        the layers.
        """
        if self._logged is None:
            self._logged = logged_documents(self._workspace.root, self._needs.wanted.exact)
        if digest in self._logged:
            return self._logged[digest]
        with self._workspace.read() as connection:
            for _, config_digest in losses.own_manifests(connection, (digest,)):
                try:
                    data = self._documents.get(config_digest)
                    config = ImageConfig.parse(data or self._workspace.read_whole(config_digest))
                except (IntegrityError, InvalidInput):
                    continue
                diffs = [diff.digest for diff in config.diff_ids]
                known = content.find(connection, diffs)
                sizes = [known[diff].size_bytes or 0 for diff in diffs if diff in known]
                if len(sizes) == len(diffs):
                    return deterministic_manifest(config, sizes)
        return None

    def blob(self, digest: Digest) -> Staged | None:
        """Encode a layer again, if this store has made the lost encoding and has the layer.

        Another version of the library makes other bytes; then the encoding stays lost.
        """
        for pair in self._needs.encodings:
            if pair.stored == digest and pair.is_ours:
                sources = self._workspace.sources((pair.decoded,)).get(pair.decoded)
                if sources is None:
                    continue
                try:
                    return self._stager.layer(
                        iter(self._reader.chunks(sources)), str(digest), lambda _size: None
                    )
                except IntegrityError:
                    continue
        return None

    def diff(self, digest: Digest) -> Staged | None:
        """Return None: a lost diff has no sound form in this store."""
        del digest
        return None
