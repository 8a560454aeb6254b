"""A check of the rows of layers and images against the configs that they describe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, final

from store.catalog.checking import raw_rows
from store.errors import IntegrityError, InvalidInput, StoreError
from store.formats.image.config import ImageConfig
from store.maintenance.fsck.verdicts import parsed
from store.model.contents import DiffState
from store.model.digests import ChainID, Digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from store.catalog.checking.raw_rows import Range
    from store.maintenance.fsck.verdicts import Check, Verdict

DIFF_STATES = frozenset(state.value for state in DiffState)


@final
class Images:
    """The check of the rows of layers and images.

    Args:
        check: The check that this is a step of.
    """

    def __init__(self, check: Check) -> None:
        self._check = check

    def run(self) -> Iterator[Verdict]:
        """Yield the findings about layers, then those about images."""
        yield from self._layers()
        yield from self._images()
        yield from self._circles()

    # --- layers -----------------------------------------------------------------------------------

    def _layers(self) -> Iterator[Verdict]:
        for rows in self._check.walk("layer", raw_rows.layers):
            self._check.checked.add("Layers", len(rows))
            for row in rows:
                why = _chain_fault(row)
                if why is not None:
                    yield self._check.row("wrong-chain", str(row.chain_id), why, "layer")
        yield from self._check.malformed()

    # --- images -----------------------------------------------------------------------------------

    def _images(self) -> Iterator[Verdict]:
        for rows, labels in self._check.walk("content", _read):
            self._check.checked.add("Images", len(rows))
            for row in rows:
                digest = parsed(row.digest)
                if digest is not None and digest not in self._check.unsound:
                    yield from self._image(row, digest, labels.pop(row.id, {}))
        yield from self._check.malformed()

    def _image(self, row: Any, digest: Digest, labels: dict[Any, Any]) -> Iterator[Verdict]:  # noqa: ANN401 - a raw row
        data = document_bytes(self._check, row.data, digest)
        if data is None:
            return
        try:
            config = ImageConfig.parse(data, digest=digest)
        except InvalidInput as exc:
            why = f"invalid image config: {exc.message}"
            yield self._check.error("bad-config", digest, why, table="image")
            return
        chains = ChainID.each(config.diff_ids) if config.diff_ids else ()
        if row.chain_id != (str(chains[-1]) if chains else None) or (
            row.top_layer_id is None
        ) == bool(chains):
            why = "its config has other layers than the catalogue"
            yield self._check.error("wrong-layers", digest, why, table="image")
        created = None if config.created.is_zero else config.created.unix_seconds
        said = (row.os, row.architecture, row.variant, row.created_s)
        if said != (config.os, config.architecture, config.variant, created):
            why = "its config has another platform or time than the catalogue"
            yield self._check.error("wrong-facts", digest, why, table="image")
        if row.diff_state not in DIFF_STATES:
            why = "the state of its layers makes no sense"
            yield self._check.error("senseless-row", digest, why, table="image")
        if labels != dict(config.labels):
            why = "its config has other labels than the catalogue"
            yield self._check.error("wrong-labels", digest, why, table="label")

    def _circles(self) -> Iterator[Verdict]:
        """Yield the images that are, by their parents, built on themselves."""
        try:
            with self._check.workspace.raw() as connection:
                parents = raw_rows.parents(connection)
        except IntegrityError:
            # `walk` has met the same rows.
            return
        for key in _in_circles(parents):
            with self._check.workspace.raw() as connection:
                digest = raw_rows.digest_of(connection, key)
            why = "its parents lead back to itself"
            yield self._check.row("circle", str(digest), why, "image")


def _read(connection: Connection, some: Range) -> tuple[Any, dict[int, dict[Any, Any]]]:
    images = raw_rows.images(connection, some)
    return images, raw_rows.labels(connection, some) if images else {}


def _chain_fault(row: Any) -> str | None:  # noqa: ANN401 - a raw row
    """Return why a layer's chain ID or depth is wrong; None if both are right.

    A layer is compared with its parent alone. If every layer is right by this, all chains are: each
    layer has a lower depth above its parent's, so no chain is a circle.
    """
    diff, parent = parsed(row.diff), parsed(row.parent_chain)
    if diff is None or (parent is None) != (row.parent_id is None):
        return "its diff or its parent is not in the catalogue"
    if parent is None:
        depth, chain = 1, diff
    else:
        depth = row.parent_depth + 1 if isinstance(row.parent_depth, int) else 0
        chain = Digest.of(f"{parent} {diff}".encode())
    if row.depth != depth:
        return f"its depth is {row.depth}, and must be {depth}"
    return None if row.chain_id == str(chain) else f"is not the chain ID of its {depth} layer(s)"


def _in_circles(parents: dict[Any, Any]) -> list[Any]:
    """Return one key of each circle in a map from keys to their parents."""
    done: set[Any] = set()
    found = []
    for start in parents:
        path: dict[Any, None] = {}
        at = start
        while at in parents and at not in done and at not in path:
            path[at] = None
            at = parents[at]
        if at in path:
            found.append(at)
        done.update(path)
    return found


def document_bytes(check: Check, inline: object, digest: Digest) -> bytes | None:
    """Return the bytes of a config or manifest; None if they are wrong, which is found elsewhere.

    Args:
        check: The running check.
        inline: The bytes in the catalogue, which were hashed before; None if they are in a file.
        digest: The digest of the document.
    """
    if isinstance(inline, bytes):
        return inline
    try:
        return check.workspace.read_whole(digest)
    except (StoreError, ValueError, KeyError):
        return None


def as_json(text: object) -> object:
    """Return the value of a JSON column; None for NULL, the text itself if it is not JSON."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
