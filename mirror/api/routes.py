"""Find the resource that the path of a request names, and the repository of the resource.

The paths below ``/v2/`` are those of the distribution specification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, final


class Resource(StrEnum):
    """The kinds of resources that a path can name."""

    BASE = "base"
    CATALOG = "catalog"
    MANIFEST = "manifest"
    BLOB = "blob"
    UPLOADS = "uploads"
    UPLOAD = "upload"
    TAGS = "tags"
    REFERRERS = "referrers"
    ARCHIVE = "archive"
    TOKEN = "token"  # noqa: S105 - a path, not a password
    HEALTHZ = "healthz"
    READYZ = "readyz"
    METRICS = "metrics"


@final
@dataclass(frozen=True, slots=True)
class Route:
    """The resource that a path names. The names are unchecked.

    Args:
        resource: The kind of resource.
        name: The name of the repository; empty if the resource is in no repository.
        target: The name of the resource itself, such as a tag or a digest; empty if it has none.
    """

    resource: Resource
    name: str = ""
    target: str = ""


_PATHS: Final = (
    (Resource.MANIFEST, re.compile(r"(?P<name>.+)/manifests/(?P<target>[^/]+)")),
    (Resource.UPLOADS, re.compile(r"(?P<name>.+)/blobs/uploads(?P<target>)")),
    (Resource.UPLOAD, re.compile(r"(?P<name>.+)/blobs/uploads/(?P<target>[^/]+)")),
    (Resource.BLOB, re.compile(r"(?P<name>.+)/blobs/(?P<target>[^/]+)")),
    (Resource.TAGS, re.compile(r"(?P<name>.+)/tags/list(?P<target>)")),
    (Resource.REFERRERS, re.compile(r"(?P<name>.+)/referrers/(?P<target>[^/]+)")),
)

_FIXED: Final = {
    "/v2": Route(Resource.BASE),
    "/v2/_catalog": Route(Resource.CATALOG),
    "/token": Route(Resource.TOKEN),
    "/healthz": Route(Resource.HEALTHZ),
    "/readyz": Route(Resource.READYZ),
    "/metrics": Route(Resource.METRICS),
}
_REGISTRY: Final = "/v2/"
_ARCHIVES: Final = "/archives/"
_MAX_CACHED_CHARACTERS: Final = 512


def parse(path: str) -> Route | None:
    """Return the route of a path, or None if it names no resource.

    A slash at the end of a path has no meaning.

    Args:
        path: The path of a request, percent-decoded.
    """
    return _parse_cached(path) if len(path) <= _MAX_CACHED_CHARACTERS else _parse(path)


def _parse(path: str) -> Route | None:
    if not path.startswith(_ARCHIVES):
        path = path.removesuffix("/")
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    if path.startswith(_ARCHIVES):
        return Route(Resource.ARCHIVE, target=path.removeprefix(_ARCHIVES))
    if not path.startswith(_REGISTRY):
        return None
    for resource, pattern in _PATHS:
        match = pattern.fullmatch(path, len(_REGISTRY))
        if match is not None:
            return Route(resource, match["name"], match["target"])
    return None


_parse_cached: Final = lru_cache(maxsize=2048)(_parse)
"""Clients send many requests for the same path."""
