"""Walks over graphs of manifests and indexes: each digest once, with bounds on depth and number.

An index may list another index many times. If a walk visited that other index each time, the work
would at least double with each level of nesting. So all walks over documents from outside use these
functions. Push, import, save and the archives of the mirror have the same ceilings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from store.errors import TooLarge
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping

    from store.formats.image.manifests import Document, Link
    from store.model.digests import Digest
    from store.model.limits import Limits

    _N = TypeVar("_N", bound=Hashable)


def levels(
    roots: Iterable[_N],
    below: Callable[[Collection[_N]], Iterable[_N]],
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[_N]:
    """Yield ``roots`` and everything below them, a level at a time and each node once.

    Args:
        roots: The first level.
        below: Returns the nodes that a level's nodes point to; called once for each level.
        limits: ``graph_depth`` and ``graph_nodes`` bound the walk.

    Raises:
        TooLarge: The walk has more levels or more nodes than the limits allow.
    """
    seen: set[_N] = set()
    level = dict.fromkeys(roots)
    depth = 0
    while level:
        depth += 1
        if depth > limits.graph_depth:
            raise TooLarge(
                f"indexes are nested more than {limits.graph_depth} levels deep",
                limit=limits.graph_depth,
            )
        seen.update(level)
        if len(seen) > limits.graph_nodes:
            raise too_many_nodes(limits)
        yield from level
        level = dict.fromkeys(node for node in below(level) if node not in seen)


def too_many_nodes(limits: Limits) -> TooLarge:
    """Return the error for a graph with more nodes than the limits allow."""
    return TooLarge(
        f"the indexes lead to more than {limits.graph_nodes} manifests", limit=limits.graph_nodes
    )


def bottom_up(roots: Iterable[_N], below: Callable[[_N], Iterable[_N]]) -> Iterator[_N]:
    """Yield ``roots`` and all nodes below them, each node once and after the nodes below it.

    The graph must already be in memory, as read by `levels`. The function does not recurse.

    Args:
        roots: The roots. Their order decides the order of nodes that do not depend on each other.
        below: Returns the nodes that one node points to.
    """
    seen: set[_N] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(below(root)))]
        while path:
            node, rest = path[-1]
            following = next((one for one in rest if one not in seen), None)
            if following is None:
                path.pop()
                yield node
            else:
                seen.add(following)
                path.append((following, iter(below(following))))


def links_below(
    document: Document,
    documents: Mapping[Digest, Document],
    wanted: Callable[[Link], bool],
) -> Iterator[Link]:
    """Yield the links of an index and of its nested indexes, from first to last.

    The link to a nested index is yielded as well. The links of a nested index come after the first
    link to it, and only once.

    Args:
        document: The outer index.
        documents: The documents in memory, by digest.
        wanted: Whether to yield a link, and to follow it.
    """
    seen = {document.digest}
    waiting = list(filter(wanted, reversed(document.children)))
    while waiting:
        link = waiting.pop()
        yield link
        inner = documents.get(link.digest)
        if inner is not None and inner.children and inner.digest not in seen:
            seen.add(inner.digest)
            waiting.extend(filter(wanted, reversed(inner.children)))
