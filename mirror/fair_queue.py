"""A bounded queue that serves groups of waiting items in turn.

A client can put any number of items into its own groups, but it cannot delay the items of other
groups by more than one turn each, and it cannot push them out of the queue.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")


@final
class FairQueue(Generic[T]):
    """A queue whose items belong to groups, which may be nested.

    The groups of one level take turns. The items of a group keep their order.

    Args:
        capacity: How many items may wait at most.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._root: _Group[T] = _Group()

    def __len__(self) -> int:
        return self._root.count

    def __iter__(self) -> Iterator[T]:
        return iter(self._root)

    def put(self, path: Sequence[str], item: T) -> T | None:
        """Add an item.

        Args:
            path: The names of the item's groups, the largest group first; at least one.
            item: The item.

        Returns:
            The item that has left the full queue: the newest item of the group that has most
            items. This can be the added item. None if the queue was not full.
        """
        self._root.put(path, item)
        return self._root.drop() if self._root.count > self._capacity else None

    def take(self, is_ready: Callable[[T], bool] = lambda _: True) -> T | None:
        """Remove and return the next item whose turn it is.

        Args:
            is_ready: Returns whether an item may leave the queue now. Items that may not leave
                keep their place.

        Returns:
            The item; None if no item is ready.
        """
        found = self._root.take(is_ready)
        return None if found is None else found[0]


@final
class _Group(Generic[T]):
    """A group of items, or of smaller groups; the group that was served last stands at the end."""

    def __init__(self) -> None:
        self.count = 0
        self._items: deque[T] = deque()
        self._groups: OrderedDict[str, _Group[T]] = OrderedDict()

    def __iter__(self) -> Iterator[T]:
        yield from self._items
        for group in self._groups.values():
            yield from group

    def put(self, path: Sequence[str], item: T) -> None:
        self.count += 1
        if path:
            self._groups.setdefault(path[0], _Group()).put(path[1:], item)
        else:
            self._items.append(item)

    def take(self, is_ready: Callable[[T], bool]) -> tuple[T] | None:
        for number, item in enumerate(self._items):
            if is_ready(item):
                del self._items[number]
                self.count -= 1
                return (item,)
        for name, group in self._groups.items():
            found = group.take(is_ready)
            if found is not None:
                self._left(name)
                if name in self._groups:
                    self._groups.move_to_end(name)
                return found
        return None

    def drop(self) -> T:
        """Remove and return the newest item of the group that has most items."""
        if self._items:
            self.count -= 1
            return self._items.pop()
        # Of equal groups, the one that is served last gives way.
        name = max(reversed(self._groups), key=lambda one: self._groups[one].count)
        item = self._groups[name].drop()
        self._left(name)
        return item

    def _left(self, name: str) -> None:
        self.count -= 1
        if not self._groups[name].count:
            del self._groups[name]
