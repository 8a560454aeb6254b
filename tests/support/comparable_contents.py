"""Images in Docker and in storectl, in terms that can be compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from tests.support.engine import Engine

UNNAMED: Final = "<none>:<none>"


@final
@dataclass(frozen=True, slots=True)
class ComparableImage:
    """An image's ID, its tags and its parent's ID, which is empty for an image without a parent."""

    image_id: str
    tags: tuple[str, ...]
    parent: str


def images_of_engine(engine: Engine) -> dict[str, ComparableImage]:
    """Return every image of the engine by its ID."""
    listed = json.loads(engine.request("GET", "/images/json?all=1")[1])
    return {
        image["Id"]: ComparableImage(
            image["Id"],
            tuple(sorted(tag for tag in image["RepoTags"] or () if tag != UNNAMED)),
            image["ParentId"],
        )
        for image in listed
    }
