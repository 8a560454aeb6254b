"""What Docker and storectl hold, in terms that can be compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from tests.support.engine import Engine

UNNAMED: Final = "<none>:<none>"


@final
@dataclass(frozen=True, slots=True)
class Held:
    """An image as either holds it; ``parent`` is empty when it has none."""

    image_id: str
    tags: tuple[str, ...]
    parent: str


def held_by_docker(engine: Engine) -> dict[str, Held]:
    """Every image of the engine, by its ID."""
    listed = json.loads(engine.request("GET", "/images/json?all=1")[1])
    return {
        one["Id"]: Held(
            one["Id"],
            tuple(sorted(tag for tag in one["RepoTags"] or () if tag != UNNAMED)),
            one["ParentId"],
        )
        for one in listed
    }
