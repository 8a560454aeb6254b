"""The paths of the distribution specification, read: which resource is meant, of which repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final


class Resource(StrEnum):
    """What a path under ``/v2/`` names."""

    BASE = "base"
    CATALOG = "catalog"
    MANIFEST = "manifest"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    TAGS = "tags"
    REFERRERS = "referrers"


@final
@dataclass(frozen=True, slots=True)
class Route:
    """A resource, the name of its repository and what it is called there; both are empty where there are none, and neither has been checked."""

    resource: Resource
    name: str = ""
    target: str = ""


_PATHS: Final = (
    (Resource.MANIFEST, re.compile(r"(?P<name>.+)/manifests/(?P<target>[^/]+)")),
    (Resource.UPLOADS, re.compile(r"(?P<name>.+)/blobs/uploads/?(?P<target>)")),
    (Resource.UPLOAD, re.compile(r"(?P<name>.+)/blobs/uploads/(?P<target>[^/]+)")),
    (Resource.BLOB, re.compile(r"(?P<name>.+)/blobs/(?P<target>[^/]+)")),
    (Resource.TAGS, re.compile(r"(?P<name>.+)/tags/list(?P<target>)")),
    (Resource.REFERRERS, re.compile(r"(?P<name>.+)/referrers/(?P<target>[^/]+)")),
)


def parse(path: str) -> Route | None:
    """The resource that ``path``, everything behind ``/v2/``, names; None when it names none."""
    if path == "":
        return Route(Resource.BASE)
    if path == "_catalog":
        return Route(Resource.CATALOG)
    for resource, pattern in _PATHS:
        match = pattern.fullmatch(path)
        if match is not None:
            return Route(resource, match["name"], match["target"])
    return None
