"""The output of ``images --tree``: each platform beneath its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storectl.output.units import human_age, human_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from store.model.digests import Digest
    from store.queries.tree import TreeEntry

HEADS: Final = {
    "Image": "IMAGE",
    "Platform": "PLATFORM",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
}
_ABSENT: Final = "absent"


def tree_rows(
    entries: Iterable[TreeEntry], now: datetime, *, no_trunc: bool, drawn: bool = True
) -> Iterator[dict[str, str]]:
    """Yield a row for each name, and beneath an index a row for each of its images.

    Args:
        entries: The images, indexes and artifacts.
        now: The current time.
        no_trunc: Whether to show whole IDs.
        drawn: Whether the rows are a table, in which an image of an index has a branch in place of
            a name; otherwise it has the first name of its index.
    """
    from storectl.output.render import NONE  # noqa: PLC0415 - `--help` does without

    def shown(digest: Digest) -> str:
        return str(digest) if no_trunc else digest.short

    for entry in entries:
        age = "" if entry.platform is None else human_age(entry.created, now)
        platform = "" if entry.platform is None else str(entry.platform)
        size = human_size(entry.size_bytes)
        for name in entry.names or (NONE,):
            yield _row(name, platform, shown(entry.digest), age, size)
        for position, part in enumerate(entry.parts, 1):
            branch = "└─" if position == len(entry.parts) else "├─"
            if not drawn:
                branch = next(iter(entry.names), NONE)
            if part.image_id is None or part.size_bytes is None:
                yield _row(branch, str(part.platform), _ABSENT, "", "")
            else:
                yield _row(
                    branch,
                    str(part.platform),
                    shown(part.image_id.digest),
                    human_age(part.created, now),
                    human_size(part.size_bytes),
                )


def _row(image: str, platform: str, name: str, age: str, size: str) -> dict[str, str]:
    return {
        "Image": image,
        "Platform": platform,
        "ID": name,
        "CreatedSince": age,
        "Size": size,
    }
