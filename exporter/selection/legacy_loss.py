"""What the format legacy would lose of the manifests of a save.

A legacy archive holds configs and layers only. An image that came without a manifest gets the same
manifest again wherever it is imported, so nothing is lost. The digest of any other manifest, the
other platforms of an index, and artifacts are lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.selection.docker_facts import generated_manifests
from exporter.selection.document_reader import keep_going
from store.errors import Conflict
from store.formats.image.manifests import Kind
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.selection.document_reader import Check
    from exporter.selection.graph import SavedGraph

_MAX_SHOWN: Final = 5
"""The most losses that the error lists."""


def losses(graph: SavedGraph, check: Check = keep_going) -> list[str]:
    """Return what the format legacy would lose, one sentence for each root that loses something.

    Args:
        graph: The manifests that were named, and everything below them.
        check: Called before each image; an exception that it raises ends the save.
    """
    generated = generated_manifests(graph, check)
    found = []
    for root in graph.roots:
        document = graph.documents[root.digest]
        if document.kind is Kind.INDEX:
            found.append(f"{root.name} is an index with several images or artifacts")
        elif root.digest not in graph.configs:
            found.append(f"{root.name} is an artifact")
        elif root.digest not in generated:
            found.append(f"{root.name} has the manifest {root.digest}")
        elif not graph.configs[root.digest].diff_ids:
            found.append(f"{root.name} has no layers")
    return found


def refuse(lost: Sequence[str]) -> Conflict:
    """Return the error for a save that would lose something.

    Args:
        lost: The result of `losses`.
    """
    shown = [*lost[:_MAX_SHOWN], *([f"{len(lost) - _MAX_SHOWN} more"] * (len(lost) > _MAX_SHOWN))]
    return Conflict(
        "cannot save in the format legacy, which has neither manifests nor indexes nor artifacts:"
        + "".join(f"\n  {one}" for one in shown),
        remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
    )
